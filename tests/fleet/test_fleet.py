"""Three daemons, one PostgreSQL catalog, one bucket: versions stay in one order whatever node or session dies."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from artifactd.client import Artifact, ArtifactNotFound, Client
from harness.clients import Clients, Workload, running_clients
from harness.contents import Shape
from harness.daemon import DaemonProcess
from harness.fixtures import MakeDaemon
from harness.places import Place, new_bucket, with_catalog
from harness.processes import start_module
from harness.verify import verify_fleet
from servers.postgres import Postgres
from servers.process import S3Server

NODES = 3
CLIENTS = 4
"""On each node."""
WORKLOAD = Workload(("model", "other"), (Shape.TINY, Shape.PACKED, Shape.PLAIN), processes=CLIENTS, pause=0.3)
SECONDS = 120.0
POOL = 4
"""Contents that come and go again, so that a collector has something to delete, and to give back."""


@pytest.fixture
def shared_place(juicefs_server: S3Server, postgres_url: str) -> Place:
    return with_catalog(new_bucket(juicefs_server), postgres_url)


@pytest.fixture
def fleet(make_daemon: MakeDaemon, shared_place: Place) -> list[DaemonProcess]:
    """Daemons with homes of their own, up."""
    daemons = [make_daemon(shared_place) for _ in range(NODES)]
    for daemon in daemons:
        daemon.start(wait=False)
    for daemon in daemons:
        daemon.wait_ready()
    return daemons


@dataclass
class Beside:
    """Work in a thread, again and again until told to stop; `turns` counts it."""

    work: Callable[[int], None]
    turns: int = 0
    error: BaseException | None = None
    _done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while not self._done.is_set():
                self.work(self.turns)
                self.turns += 1
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def stop(self) -> None:
        self._done.set()


@contextmanager
def beside(*works: Callable[[int], None]) -> Iterator[list[Beside]]:
    """Do these in threads until the context ends; raises what one of them raised."""
    workers = [Beside(work) for work in works]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()
    for worker in workers:
        if worker.error is not None:
            raise worker.error


@contextmanager
def clients_on(fleet: Sequence[DaemonProcess], directory: Path, each: int) -> Iterator[list[Clients]]:
    """Clients on every node, which log up to `each` artifacts."""
    with ExitStack() as running:
        yield [
            running.enter_context(
                running_clients(
                    daemon, replace(WORKLOAD, name=f"node{n}-", seed=n, each=each), directory / f"ledger{n}"
                )
            )
            for n, daemon in enumerate(fleet)
        ]


def made_of(name: str, files: dict[str, bytes]) -> Artifact:
    artifact = Artifact(name, "dataset")
    for path, data in files.items():
        with artifact.new_file(path, "wb") as file:
            file.write(data)
    return artifact


def contents(artifact: Artifact, directory: Path) -> dict[str, bytes]:
    root = Path(artifact.download(directory / f"{artifact.name.replace(':', '-')}-{time.monotonic_ns()}"))
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def come_and_go(client: Client, name: str, directory: Path) -> Callable[[int], None]:
    """Log what was logged and deleted before; it must be there, whatever a collector does meanwhile."""

    def work(turn: int) -> None:
        files = {f"file{n}": b"%d" % ((turn + n) % POOL) * 1000 for n in range(2)}
        version = client.log_artifact(made_of(name, files)).wait(SECONDS)
        assert contents(version, directory) == files
        with suppress(ArtifactNotFound):
            # It may have been deleted by the attempt whose answer was lost.
            version.delete(delete_aliases=True)
        time.sleep(0.2)

    return work


def together(writers: Sequence[Client], directory: Path) -> Callable[[int], None]:
    """A version that writers on all nodes make, and one of them finishes."""

    def work(turn: int) -> None:
        files = {f"part{n}": b"%d of %d" % (n, turn) for n in range(len(writers))}
        for client, (path, data) in zip(writers, files.items(), strict=True):
            client.upsert_artifact(made_of("together", {path: data}), f"draft{turn}")
        finished = writers[turn % len(writers)].finish_artifact(Artifact("together", "dataset"), f"draft{turn}")
        version = finished.wait(SECONDS)
        assert version.version == f"v{turn}"
        assert contents(version, directory) == files

    return work


def collect(daemon: DaemonProcess) -> Callable[[int], None]:
    """`artifactd gc --delete`, beside everything; its sessions are cut off too."""

    def work(turn: int) -> None:
        process = start_module(
            "artifactd.daemon",
            *("gc", "--delete", "--wait", "3"),
            environ={**daemon.place.settings, "ARTIFACTD_HOME": str(daemon.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, problem = process.communicate(timeout=SECONDS)
        assert process.returncode in (0, 69), problem.decode()
        assert b"skipped" not in out, out.decode()

    return work


def mischief(fleet: Sequence[DaemonProcess], server: Postgres, times: int, chance: random.Random) -> None:
    """Kill daemons and cut off sessions, at random."""
    for _ in range(times):
        time.sleep(chance.uniform(0.5, 3.0))
        if chance.random() < 0.5:
            victim = chance.choice(fleet)
            victim.kill()
            victim.start()
        else:
            server.cut_off()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_kills_of_daemons_and_sessions_lose_double_skip_and_reorder_nothing_while_a_collector_deletes(
    fleet: list[DaemonProcess], postgres_server: Postgres, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(daemon.client(SECONDS)) for daemon in fleet]
        works = [
            together(clients, tmp_path),
            *(come_and_go(client, f"passing{n}", tmp_path) for n, client in enumerate(clients)),
            collect(fleet[0]),
        ]
        with clients_on(fleet, tmp_path, 20) as running, beside(*works) as workers:
            mischief(fleet, postgres_server, 14, random.Random(1))
            calls = [group.stop() for group in running]
    assert [len([call for call in node if call.id]) >= 20 for node in calls] == [True] * NODES
    assert min(worker.turns for worker in workers) >= 1, [worker.turns for worker in workers]
    assert verify_fleet(list(zip(fleet, calls, strict=True))) == []


@pytest.mark.timeout(300)
def test_writers_on_three_nodes_share_one_order_beside_a_collector(
    fleet: list[DaemonProcess], postgres_server: Postgres, tmp_path: Path
) -> None:
    with fleet[0].client(SECONDS) as client:
        work = come_and_go(client, "passing", tmp_path)
        with clients_on(fleet, tmp_path, 8) as running, beside(work, collect(fleet[0])):
            mischief(fleet, postgres_server, 3, random.Random(2))
            calls = [group.stop() for group in running]
    assert verify_fleet(list(zip(fleet, calls, strict=True))) == []
