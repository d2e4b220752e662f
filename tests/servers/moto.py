"""moto, an emulator of AWS in memory: it has buckets with versions, and any credentials pass."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.process import S3Server, free_port, running

__all__ = ["moto"]


@contextmanager
def moto(directory: Path) -> Iterator[S3Server]:
    """Serve an empty S3; `directory` takes its log."""
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", "any", "anything")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, server.endpoint, server.environ, directory / "moto.log"):
        yield server
