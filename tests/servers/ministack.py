"""ministack, an emulator of AWS in memory: it refuses wrong checksums, and any credentials pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.process import S3Server, executable, free_port, running

__all__ = ["ministack"]


@contextmanager
def ministack(directory: Path) -> Iterator[S3Server]:
    """Serve an empty S3; `directory` takes its log and its temporary files."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", "any", "anything")
    environ = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "SERVICES": "s3",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(directory),
    }
    with running([executable("ministack", "ministack")], server.endpoint, environ, directory / "ministack.log"):
        yield server
