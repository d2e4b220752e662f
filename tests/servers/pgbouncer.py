"""PgBouncer from the machine's own binary, private to the tests: it pools the transactions of one PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from servers.postgres import Postgres, own, owned_directory, postgres_program, unprivileged
from servers.process import free_port

__all__ = ["pgbouncer"]

_SESSIONS = 3
"""With the server, for each database: fewer than clients, so that clients take turns in one session."""


@contextmanager
def pgbouncer(server: Postgres) -> Iterator[int]:
    """Pool every database of `server`, transaction by transaction; the port on the loopback."""
    program = postgres_program("pgbouncer")
    assert program is not None
    with owned_directory() as directory:
        port = free_port()
        config = directory / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {_SESSIONS}\n"
        )
        own(config)
        with unprivileged([program, config], port, directory / "log"):
            yield port
