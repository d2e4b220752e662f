"""Training processes: one process that forks others, which log artifacts until they are done or told to stop.

python -m harness.clients '{"socket": …}'        closing its stdin tells all of them to stop
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from artifactd.client import Artifact, ArtifactdError, Client
from harness.contents import Shape, contents
from harness.daemon import ENTITY, PROJECT, DaemonProcess
from harness.ledger import Call, Ledger, read_ledgers
from harness.processes import start_module

__all__ = ["Clients", "Workload", "build", "running_clients"]

_TIMEOUT = 120.0


@dataclass(frozen=True)
class Workload:
    """Each of `processes` clients logs up to `each` artifacts, one after the other, with random pauses.

    Shapes and collections are taken in turn; `pause` is the longest pause in seconds. Clients are called `name`
    and a number.
    """

    collections: Sequence[str]
    shapes: Sequence[Shape]
    processes: int = 6
    each: int = 1_000_000
    pause: float = 0.0
    seed: int = 0
    name: str = "client"


class Clients:
    """The running clients of one workload."""

    def __init__(self, process: subprocess.Popen[bytes], ledger: Path) -> None:
        self._process = process
        self._ledger = ledger

    def wait(self, timeout: float = 100.0) -> list[Call]:
        """Wait until they have logged all they were to log; all their calls."""
        code = self._process.wait(timeout)
        assert code == 0, f"the clients ended with {code}"
        return self.calls()

    def stop(self) -> list[Call]:
        """Let each finish its call and end; all their calls."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.wait()

    def kill(self) -> list[Call]:
        """Kill them all in the middle of what they do; what they noted."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        return self.calls()

    def calls(self) -> list[Call]:
        """What they noted so far."""
        return read_ledgers(self._ledger)


@contextmanager
def running_clients(daemon: DaemonProcess, workload: Workload, ledger: Path) -> Iterator[Clients]:
    """Start the clients of `workload`, which have reached the daemon then; at the end none is left.

    Each notes its calls in the directory `ledger`.
    """
    ledger.mkdir()
    process = start_module(
        "harness.clients",
        json.dumps(asdict(workload)),
        str(daemon.socket),
        str(ledger),
        environ={},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            assert process.stdout.readline(), "the clients did not reach the daemon"
        yield Clients(process, ledger)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def build(directory: Path, name: str, token: str, shape: Shape) -> Artifact:
    """The artifact that `token` and `shape` describe, drafted with the process's default client."""
    artifact = Artifact(name, "model", metadata={"token": token, "shape": shape})
    files = contents(token, shape)
    if shape is Shape.PACKED:
        for path, data in files.items():
            (directory / "set" / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / "set" / path).write_bytes(data)
        artifact.add_dir(directory / "set")
    elif shape is Shape.PLAIN:
        with artifact.new_file("weights", "xb") as file:
            file.write(files["weights"])
    else:
        (directory / "weights").write_bytes(files["weights"])
        artifact.add_file(directory / "weights", policy="move" if shape is Shape.MULTIPART else "mutable")
    return artifact


def _log_all(client: Client, workload: Workload, number: int, ledger: Ledger, directory: Path) -> None:
    chance = random.Random(f"{workload.seed}/{number}")
    for count in range(workload.each):
        shape = Shape(workload.shapes[(count + number) % len(workload.shapes)])
        collection = workload.collections[count % len(workload.collections)]
        artifact = build(directory, collection, f"{workload.name}{number}-{count}", shape)
        ledger.began(count, collection, shape)
        try:
            ledger.accepted(count, client.log_artifact(artifact))
        except ArtifactdError as error:
            ledger.refused(count, error)
        if _told_to_stop(chance.uniform(0, workload.pause)):
            return


def _told_to_stop(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


def _fork(client: Client, workload: Workload, number: int, ledgers: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with tempfile.TemporaryDirectory(dir=ledgers) as directory:
            ledger = Ledger(ledgers, f"{workload.name}{number}")
            _log_all(client, workload, number, ledger, Path(directory))
            ledger.close()
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        # The parent's clean-up is not this process's to run.
        os._exit(code)


def _main(workload: Workload, socket: str, ledgers: Path) -> int:
    with Client(socket, timeout=_TIMEOUT, project=PROJECT, entity=ENTITY) as client:
        # The children inherit a connection that is in use, as a training program's do.
        client.status()
        print("connected", flush=True)
        children = [_fork(client, workload, number, ledgers) for number in range(workload.processes)]
        return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(_main(Workload(**json.loads(sys.argv[1])), sys.argv[2], Path(sys.argv[3])))
