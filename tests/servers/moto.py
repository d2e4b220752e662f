"""moto, a mock of AWS in memory: it ignores wrong checksums and returns the right ones; any credentials pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.process import S3Server, executable, free_port, running

__all__ = ["moto"]


@contextmanager
def moto(directory: Path) -> Iterator[S3Server]:
    """Serve an empty S3; `directory` takes its log."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", "any", "anything")
    command = [executable("moto", "moto_server"), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, server.endpoint, {"TMPDIR": str(directory)}, directory / "moto.log"):
        yield server
