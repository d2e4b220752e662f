"""A PostgreSQL catalog that goes away: what was logged waits for it, look-ups ask again, users are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from artifactd.client import Artifact, CatalogUnavailable, Client, WaitTimeout
from artifactd.client.cli import main
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.places import Place, with_catalog
from servers.postgres import Postgres

_UNAVAILABLE = 69
_OUTAGE_SECONDS = 2.0

Outage = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def daemon(make_daemon: MakeDaemon, directory_place: Place, postgres_url: str) -> DaemonProcess:
    daemon = make_daemon(with_catalog(directory_place, postgres_url))
    daemon.start()
    return daemon


@pytest.fixture
def outage(postgres_server: Postgres, postgres_url: str) -> Outage:
    """A context in which the catalog's database has no sessions and takes no new ones."""
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]

    @contextmanager
    def away() -> Iterator[None]:
        postgres_server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            postgres_server.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )
            yield
        finally:
            postgres_server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    return away


def small(directory: Path) -> Artifact:
    (directory / "weights").write_bytes(b"weights")
    artifact = Artifact("model", "model")
    artifact.add_file(directory / "weights")
    return artifact


def test_a_look_up_waits_for_a_catalog_that_comes_back(
    daemon: DaemonProcess, outage: Outage, tmp_path: Path
) -> None:
    with daemon.client() as client, ThreadPoolExecutor() as pool:
        client.log_artifact(small(tmp_path)).wait(30)
        with outage():
            found = pool.submit(client.use_artifact, "model:latest")
            downloaded = pool.submit(lambda: client.use_artifact("model:v0").download(tmp_path / "copy"))
            time.sleep(_OUTAGE_SECONDS)
            assert not found.done()
        assert found.result(30).version == "v0"
        assert (Path(downloaded.result(30)) / "weights").read_bytes() == b"weights"


def test_an_outage_that_outlasts_the_timeout_is_named_and_what_is_logged_meanwhile_is_committed_after_it(
    daemon: DaemonProcess, outage: Outage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with daemon.client(1.0) as client:
        first = client.log_artifact(small(tmp_path))
        first.wait(30)
        with outage():
            with pytest.raises(CatalogUnavailable, match="artifactd status"):
                client.use_artifact("model:latest")
            monkeypatch.setattr("artifactd.client.cli.Client", partial(Client, timeout=1.0))
            assert main(["--socket", str(daemon.socket), "ls", "model"]) == _UNAVAILABLE
            second = client.log_artifact(small(tmp_path))
            with pytest.raises(WaitTimeout):
                second.wait(1)
        assert second.wait(60).version == "v0"
