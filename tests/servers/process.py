"""Start a server, wait until it answers, stop it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

__all__ = ["S3Server", "executable", "free_port", "running"]

START_SECONDS = 30.0
POLL_SECONDS = 0.02
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that is up, and the credentials that it takes."""

    endpoint: str
    access_key: str
    secret_key: str

    @property
    def environ(self) -> dict[str, str]:
        """What an SDK reads to use this server's credentials and nothing of the user's own configuration."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def executable(server: str, name: str) -> Path:
    """A program of a server's virtual environment."""
    root = Path(os.environ.get("ARTIFACTD_TEST_SERVERS", Path(__file__).parents[2] / ".venv-servers"))
    path = root / server / "bin" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run tests/servers/install.sh")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str | Path], endpoint: str, environ: Mapping[str, str], log: Path) -> Iterator[None]:
    """Run `command` until the context ends; enter it once `endpoint` answers HTTP."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environ}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_up(process, endpoint, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(endpoint):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{endpoint} did not come up: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(POLL_SECONDS)


def _answers(endpoint: str) -> bool:
    try:
        urlopen(endpoint, timeout=1).close()
    except HTTPError as error:
        error.close()
    except OSError:
        return False
    return True
