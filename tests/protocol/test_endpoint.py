"""Where the home and the socket are."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifactd.protocol import endpoint
from artifactd.protocol.errors import InvalidRequest


def test_a_named_home_has_its_socket_inside() -> None:
    environ = {"ARTIFACTD_HOME": "/data/ad", "XDG_RUNTIME_DIR": "/run/user/1"}
    assert endpoint.default_home(environ) == Path("/data/ad")
    assert endpoint.find_socket(environ) == Path("/data/ad/artifactd.sock")


def test_a_named_socket_wins() -> None:
    assert endpoint.find_socket({"ARTIFACTD_HOME": "/x", "ARTIFACTD_SOCKET": "/y/s"}) == Path("/y/s")


def test_without_names_the_users_own_places_are_taken() -> None:
    environ = {"XDG_STATE_HOME": "/state", "XDG_RUNTIME_DIR": "/run/user/1"}
    assert endpoint.default_home(environ) == Path("/state/artifactd")
    assert endpoint.find_socket(environ) == Path("/run/user/1/artifactd.sock")
    assert endpoint.find_socket({"XDG_STATE_HOME": "/state"}) == Path("/state/artifactd/artifactd.sock")


def test_the_system_service_is_found_when_the_user_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.sock"
    monkeypatch.setattr(endpoint, "SYSTEM_SOCKET", system)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    own = tmp_path / "artifactd.sock"
    assert endpoint.find_socket(environ) == own
    system.touch()
    assert endpoint.find_socket(environ) == system
    own.touch()
    assert endpoint.find_socket(environ) == own


def test_a_path_that_no_socket_address_can_hold_is_refused_with_the_way_out() -> None:
    fits = Path("/" + "x" * (endpoint.MAX_SOCKET_PATH - 1))
    assert endpoint.check_socket_path(fits) == fits
    with pytest.raises(InvalidRequest, match="ARTIFACTD_SOCKET"):
        endpoint.check_socket_path(Path(str(fits) + "x"))
