"""What only a server can do to a catalog: vanish, cut sessions off, stand behind a proxy, ask for TLS."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import trustme
from catalog_heads import make_head
from sqlalchemy import URL, make_url, text

from artifactd.daemon.catalog import Catalog, CatalogUnavailable, CatalogUnusable, Committed, Head
from artifactd.protocol.messages import GetVersions
from servers.postgres import Postgres, own, owned_directory, postgres
from servers.process import free_port

_WRITERS = 4
_EACH = 40


def commit_surely(catalog: Catalog, head: Head) -> int:
    """Commit as the daemon does: the same head again and again, until there is an answer."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        try:
            (result,) = catalog.commit([head])
        except CatalogUnavailable:
            time.sleep(0.01)
            continue
        assert isinstance(result, Committed)
        return result.version
    raise AssertionError("never answered")


def commit_beside_each_other(url: str | URL) -> list[list[int]]:
    """What each of several daemons got for the heads that it committed one after the other."""

    def work(writer: int) -> list[int]:
        catalog = Catalog.open(url)
        try:
            return [commit_surely(catalog, make_head(1000 * writer + n)) for n in range(_EACH)]
        finally:
            catalog.close()

    with ThreadPoolExecutor(_WRITERS) as pool:
        return list(pool.map(work, range(_WRITERS)))


def assert_one_order(numbers: list[list[int]]) -> None:
    assert all(own == sorted(own) for own in numbers)
    assert sorted(number for own in numbers for number in own) == list(range(_WRITERS * _EACH))


def test_ten_daemons_that_start_at_once_migrate_once(postgres_url: str) -> None:
    ready = threading.Barrier(10)

    def start() -> Catalog:
        ready.wait()
        return Catalog.open(postgres_url)

    with ThreadPoolExecutor(10) as pool:
        catalogs = [found.result() for found in [pool.submit(start) for _ in range(10)]]
    for number, catalog in enumerate(catalogs):
        assert commit_surely(catalog, make_head(number)) == number
        catalog.close()


def test_sessions_cut_off_in_mid_commit_lose_double_and_skip_nothing(
    postgres_server: Postgres, postgres_url: str
) -> None:
    done = threading.Event()
    cut: list[int] = []

    def mischief() -> None:
        pauses = random.Random(1)
        # Long ones too: a busy machine needs some time to connect and commit.
        while not done.wait(pauses.uniform(0.02, 0.6)):
            cut.append(postgres_server.cut_off())

    thread = threading.Thread(target=mischief)
    thread.start()
    try:
        numbers = commit_beside_each_other(postgres_url)
    finally:
        done.set()
        thread.join()
    assert sum(cut) > 5
    assert_one_order(numbers)


def test_an_unknown_outcome_is_looked_up_and_not_committed_twice(
    postgres_server: Postgres, postgres_url: str
) -> None:
    catalog = Catalog.open(postgres_url)
    head = make_head(1)
    first = commit_surely(catalog, head)
    postgres_server.cut_off()
    with pytest.raises(CatalogUnavailable):
        catalog.commit([head])
    assert commit_surely(catalog, head) == first
    assert commit_surely(catalog, replace(make_head(2), accepted_at=2.0)) == first + 1
    catalog.close()


def test_a_reader_does_not_notice_that_its_session_was_cut_off(
    postgres_server: Postgres, postgres_url: str
) -> None:
    catalog = Catalog.open(postgres_url)
    commit_surely(catalog, make_head(1))
    assert catalog.version("team", "vision", "model", "latest").version == 0
    postgres_server.cut_off()
    assert catalog.version("team", "vision", "model", "latest").version == 0
    catalog.close()


def test_a_server_that_is_down_at_the_start_is_used_once_it_is_up(tmp_path: Path) -> None:
    port = free_port()
    catalog = Catalog.open(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    with pytest.raises(CatalogUnavailable):
        catalog.commit([make_head(1)])
    with postgres(port):
        assert commit_surely(catalog, make_head(1)) == 0
        catalog.close()


def test_a_writer_that_stops_in_mid_transaction_holds_the_others_up_only_for_a_while(postgres_url: str) -> None:
    catalog = Catalog.open(postgres_url)
    with catalog._writing() as connection:
        shown = {
            name: connection.scalar(text(f"SHOW {name}"))
            for name in ("lock_timeout", "idle_in_transaction_session_timeout")
        }
    assert shown == {"lock_timeout": "30s", "idle_in_transaction_session_timeout": "1min"}
    catalog.close()


def test_a_proxy_may_pool_transactions(postgres_url: str, pgbouncer_port: int) -> None:
    proxied = make_url(postgres_url).set(port=pgbouncer_port)
    assert_one_order(commit_beside_each_other(proxied))
    catalog = Catalog.open(proxied)
    page = catalog.versions(GetVersions(entity="team", project="vision", name="model", limit=1000))
    assert len(page.items) == _WRITERS * _EACH
    catalog.close()
    # Through a proxy, a setting that outlived its transaction would be the next client's.
    plain = proxied.render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True, prepare_threshold=None) as connection:
        for _ in range(20):
            assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
            assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_server(postgres_server: Postgres, authority: trustme.CA) -> Iterator[Postgres]:
    with owned_directory() as directory:
        certificate = authority.issue_cert("localhost")
        chain, key = directory / "server.pem", directory / "server.key"
        chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        key.touch(mode=0o600)
        key.write_bytes(certificate.private_key_pem.bytes())
        own(chain)
        own(key)
        with postgres(ssl="on", ssl_cert_file=str(chain), ssl_key_file=str(key)) as server:
            yield server


@pytest.fixture
def trusted(tmp_path: Path, authority: trustme.CA) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def over_tls(server: Postgres, host: str, roots: Path) -> URL:
    options = {"sslmode": "verify-full", "sslrootcert": str(roots)}
    return make_url(server.url("postgres")).set(host=host).update_query_dict(options)


def test_a_server_is_verified_over_tls(tls_server: Postgres, trusted: Path) -> None:
    catalog = Catalog.open(over_tls(tls_server, "localhost", trusted))
    commit_surely(catalog, make_head(1))
    with catalog._reading() as connection:
        assert connection.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")) is True
    catalog.close()


def test_a_server_of_another_name_or_authority_is_refused(
    tls_server: Postgres, trusted: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "strange.pem"
    trustme.CA().cert_pem.write_to_path(strange)
    for host, roots in (("127.0.0.1", trusted), ("localhost", strange)):
        catalog = Catalog.open(over_tls(tls_server, host, roots))
        with pytest.raises(CatalogUnavailable, match=r"certificate"):
            catalog.commit([make_head(1)])
        catalog.close()


def test_an_option_that_libpq_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(CatalogUnusable, match="sslmood"):
        Catalog.open("postgresql://127.0.0.1/fleet?sslmood=verify-full")
