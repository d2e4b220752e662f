"""JuiceFS's S3 gateway over a directory: fast, and like many servers it verifies no checksum."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.process import S3Server, executable, free_port, running

__all__ = ["juicefs"]

ACCESS_KEY = "testtest"
SECRET_KEY = "testtesttest"


@contextmanager
def juicefs(directory: Path, port: int | None = None) -> Iterator[S3Server]:
    """Serve `directory`, which is formatted if it is new; what it holds survives the server."""
    program = executable("juicefs", "juicefs")
    data, meta = directory / "data", f"sqlite3://{directory / 'meta.db'}"
    if not data.exists():
        data.mkdir(parents=True)
        subprocess.run(
            [program, "format", "--storage", "file", "--bucket", f"{data}/", "--trash-days", "0", meta, "tests"],
            check=True,
            capture_output=True,
        )
    port = port or free_port()
    command = [program, "gateway", "--multi-buckets", "--keep-etag", "--object-meta", "--no-usage-report"]
    command += ["--no-banner", "--metrics", "127.0.0.1:0", "--cache-dir", directory / "cache", "--cache-size", "0"]
    command += ["--backup-meta", "0", "--consul", "", meta, f"127.0.0.1:{port}"]
    server = S3Server(f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY)
    environ = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
    with running(command, server.endpoint, environ, directory / "gateway.log"):
        yield server
