"""PostgreSQL from the machine's own binaries, private to the tests: a directory, a port, and no password."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from servers.process import free_port

__all__ = ["Postgres", "own", "owned_directory", "postgres", "postgres_program", "unprivileged"]

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
_numbers = count()


def postgres_program(name: str) -> Path | None:
    """A program of the newest PostgreSQL there is, or PgBouncer; None where it is not installed."""
    places = [*(str(path) for path in reversed(_BINARIES)), os.environ.get("PATH", ""), "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    return None if found is None else Path(found)


def _as_postgres() -> Mapping[str, object]:
    """For `subprocess`: the user as whom these servers run, which refuse to be root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": ()} if os.geteuid() == 0 else {}


@contextmanager
def owned_directory() -> Iterator[Path]:
    """A directory of the user who runs these servers, short enough for a socket in it."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        own(path)
        yield path
    finally:
        shutil.rmtree(path)


def own(path: Path) -> None:
    """Give a file or directory to the user who runs these servers."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that is up. `directory` takes its data, its socket and its log; `port` is on the loopback."""

    directory: Path
    port: int

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: sql.Composable | str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser, outside a transaction; its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.SQL(statement) if isinstance(statement, str) else statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """Make an empty database; its name. Its texts sort as people expect, not as programs do."""
        name = f"catalog_{os.getpid()}_{next(_numbers)}"
        # template0: the only one that lets a database have rules of its own for text.
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C.UTF-8'")
        return name

    def cut_off(self, application: str = "artifactd") -> int:
        """End the sessions of an application, as an administrator or a failover does; how many there were."""
        found = self.execute(
            sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = {}").format(
                application
            )
        )
        return len(found)


@contextmanager
def postgres(port: int | None = None, **settings: str) -> Iterator[Postgres]:
    """Serve an empty PostgreSQL with these `settings`. Nothing is synced: tests of power loss are elsewhere."""
    server, initdb = postgres_program("postgres"), postgres_program("initdb")
    assert server is not None
    assert initdb is not None
    with owned_directory() as directory:
        data = directory / "data"
        subprocess.run(
            [initdb, "--pgdata", data, "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"],
            check=True,
            capture_output=True,
            cwd="/",
            **_as_postgres(),  # type: ignore[call-overload]
        )
        running = Postgres(directory, port or free_port())
        options = {
            "port": str(running.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(directory),
            "fsync": "off",
            "max_connections": "200",
            **settings,
        }
        command = [server, "-D", data, *(f"--{name}={value}" for name, value in options.items())]
        with unprivileged(command, running.port, directory / "log"):
            yield running


@contextmanager
def unprivileged(command: Sequence[str | Path], port: int, log: Path) -> Iterator[None]:
    """Run a server that speaks PostgreSQL's protocol and refuses to be root; enter once it takes connections."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
            **_as_postgres(),  # type: ignore[call-overload]
        )
    try:
        _wait_until_up(port, process, log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_up(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ready = postgres_program("pg_isready")
    assert ready is not None
    command = [ready, "--quiet", "--host=127.0.0.1", f"--port={port}", "--timeout=1"]
    for _ in range(300):
        if subprocess.run(command, check=False).returncode == 0:
            return
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError(f"{command} did not come up: {log.read_text()[-2000:]}")
