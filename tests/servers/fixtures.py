"""A pytest plugin: each server is started once in a session, when the first test asks for it; URLs of catalogs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.gcs import FakeGcs, fake_gcs
from servers.juicefs import juicefs
from servers.ministack import ministack
from servers.moto import moto
from servers.pgbouncer import pgbouncer
from servers.postgres import Postgres, postgres, postgres_program
from servers.process import S3Server
from servers.swift import swift


@pytest.fixture(scope="session")
def juicefs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with juicefs(tmp_path_factory.mktemp("juicefs")) as server:
        yield server


@pytest.fixture(scope="session")
def ministack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture
def gcs_server() -> Iterator[FakeGcs]:
    """One for each test: it remembers what it saw, and what shall go wrong."""
    with fake_gcs() as server:
        server.page = 100
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    if postgres_program("postgres") is None:
        pytest.skip("PostgreSQL is not installed: nothing that concerns a PostgreSQL catalog is tested")
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer_port(postgres_server: Postgres) -> Iterator[int]:
    if postgres_program("pgbouncer") is None:
        pytest.skip("PgBouncer is not installed: a catalog behind a proxy that pools transactions is not tested")
    with pgbouncer(postgres_server) as port:
        yield port


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/catalog.db"


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    # A connection that a test forgot must not keep it.
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; one parameter for each database that the catalog supports."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
