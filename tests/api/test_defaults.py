"""Who owns what is logged, and where it belongs, when nobody says so."""

from __future__ import annotations

import os

import pytest

import artifactd.client as artifactd
from api.support import SECONDS, made_of
from artifactd.client import Client, InvalidRequest, _defaults
from harness.daemon import DaemonProcess


@pytest.fixture(autouse=True)
def environment(daemon: DaemonProcess, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the way to the daemon, and somebody who is logged in."""
    client.close()
    for name in ("ENTITY", "PROJECT"):
        monkeypatch.delenv(f"ARTIFACTD_{name}", raising=False)
    monkeypatch.setenv("ARTIFACTD_HOME", str(daemon.home))
    monkeypatch.setenv("LOGNAME", "ada")


def test_the_login_name_owns_what_is_logged_to_no_project(name: str) -> None:
    handle = artifactd.log_artifact(made_of(name, {"a": b""}))
    assert handle.wait(SECONDS).qualified_name == f"ada/uncategorized/{name}:v0"
    with artifactd.init() as run:
        assert (run.entity, run.project) == ("ada", "uncategorized")
        assert run.use_artifact(name).version == "v0"
    _defaults.default_client().close()


def test_a_login_name_that_is_no_name_is_made_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ACME\\ada lovelace")
    with Client() as client:
        assert client.scope.entity == "ACME-ada-lovelace"


def test_who_has_no_login_name_is_called_by_the_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with Client() as client:
        assert client.scope.entity == "uid4000000000"


def test_what_is_given_goes_before_the_environment_and_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACTD_ENTITY", "environment")
    with Client(entity="given") as client, Client() as other:
        assert (client.scope.entity, other.scope.entity) == ("given", "environment")
    monkeypatch.setenv("ARTIFACTD_ENTITY", "no/name")
    with pytest.raises(InvalidRequest, match="entity"):
        Client()
