"""Versions are numbered in the order in which they were logged, however their uploads overlap."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from artifactd.client import ArtifactdError, Client, DaemonUnavailable, NotAccepted, _logging
from harness.clients import Workload, build, running_clients
from harness.contents import Shape, digest
from harness.daemon import DaemonProcess
from harness.delaying_proxy import DelayingProxy, Put, delaying_proxy
from harness.fixtures import MakeDaemon
from harness.ledger import Call, Ledger, read_ledgers
from harness.places import new_bucket
from harness.verify import Found, read_versions, verify
from servers.process import S3Server

SEED = 2
LONGEST_DELAY = 0.3
SHAPES = (Shape.TINY, Shape.PLAIN)


@pytest.fixture
def slow_store(juicefs_server: S3Server, tmp_path: Path) -> Iterator[DelayingProxy]:
    with delaying_proxy(juicefs_server.endpoint, tmp_path / "puts.jsonl", LONGEST_DELAY, SEED) as proxy:
        yield proxy


@pytest.fixture
def slow_daemon(make_daemon: MakeDaemon, juicefs_server: S3Server, slow_store: DelayingProxy) -> DaemonProcess:
    """A daemon whose uploads take a random time. Not started."""
    return make_daemon(new_bucket(juicefs_server, slow_store.endpoint))


def uploads(puts: Sequence[Put], calls: Sequence[Call], versions: Sequence[Found]) -> list[Put]:
    """The upload of each version's bytes, oldest first."""
    by_digest = {"".join(put.key.split("/")[-2:]): put for put in puts}
    shapes = {call.token: call.shape for call in calls}
    return [by_digest[digest(version.token, shapes[version.token])] for version in reversed(versions)]


def most_in_flight(puts: Sequence[Put]) -> int:
    return max(sum(other.began <= put.began < other.ended for other in puts) for put in puts)


def overtakes(puts: Sequence[Put]) -> int:
    """How many uploads were complete before the one that was accepted just before."""
    return sum(later.ended < earlier.ended for earlier, later in pairwise(puts))


def overlap(daemon: DaemonProcess, puts: Sequence[Put], calls: Sequence[Call]) -> list[tuple[int, int]]:
    """For each collection, the most uploads in flight and the number of overtakes."""
    with daemon.client() as client:
        collections = [read_versions(client, name) for name in {call.collection for call in calls}]
    found = [uploads(puts, calls, versions) for versions in collections]
    return [(most_in_flight(mine), overtakes(mine)) for mine in found]


@pytest.mark.parametrize("collections", [1, 8])
def test_eight_processes_get_their_order_though_uploads_overlap_and_overtake(
    collections: int, slow_daemon: DaemonProcess, slow_store: DelayingProxy, tmp_path: Path
) -> None:
    names = tuple(f"model{index}" for index in range(collections))
    workload = Workload(collections=names, shapes=SHAPES, processes=8, each=25, seed=SEED)
    slow_daemon.start()
    with running_clients(slow_daemon, workload, tmp_path / "ledger") as clients:
        calls = clients.wait()
    assert len([call for call in calls if call.id]) == 200
    assert verify(slow_daemon, calls) == []
    for in_flight, overtaken in overlap(slow_daemon, slow_store.puts(), calls):
        assert in_flight >= 4
        assert overtaken > 0


def test_a_daemon_that_uploads_serially_is_told_from_one_that_does_not(
    slow_daemon: DaemonProcess, slow_store: DelayingProxy, tmp_path: Path
) -> None:
    workload = Workload(collections=("model",), shapes=SHAPES, processes=8, each=2, seed=SEED)
    slow_daemon.start(ARTIFACTD_UPLOAD__SUBMISSIONS="1")
    with running_clients(slow_daemon, workload, tmp_path / "ledger") as clients:
        calls = clients.wait()
    assert verify(slow_daemon, calls) == []
    assert overlap(slow_daemon, slow_store.puts(), calls) == [(1, 0)]


def log(client: Client, ledger: Ledger, number: int, directory: Path, shape: Shape = Shape.TINY) -> bool:
    """Log one artifact, note it, and say whether it was accepted."""
    artifact = build(directory, "model", f"client0-{number}", shape)
    ledger.began(number, "model", shape)
    try:
        ledger.accepted(number, client.log_artifact(artifact))
    except ArtifactdError as error:
        ledger.refused(number, error)
        return False
    return True


def test_threads_that_hand_over_get_the_order_in_which_they_did(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    daemon.start()
    ledger = Ledger(tmp_path, "client0")
    shapes = (Shape.MULTIPART, Shape.TINY, Shape.PACKED, Shape.PLAIN)
    batons: list[queue.Queue[int]] = [queue.Queue() for _ in range(4)]

    def run(index: int) -> None:
        while (number := batons[index].get(timeout=60)) < 40:
            log(client, ledger, number, tmp_path, shapes[number % 4])
            batons[(index + 1) % 4].put(number + 1)
        batons[(index + 1) % 4].put(number)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    batons[0].put(0)
    for thread in threads:
        thread.join()
    ledger.close()
    assert verify(daemon, read_ledgers(tmp_path)) == []
    tokens = [version.token for version in read_versions(client, "model")]
    assert tokens == [f"client0-{number}" for number in reversed(range(40))]


def test_a_call_that_gave_up_on_a_frozen_daemon_is_not_accepted_after_it_wakes(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    daemon.start()
    ledger = Ledger(tmp_path, "client0")
    with daemon.client(timeout=0.3) as hasty:
        hasty.status()
        for number in range(0, 20, 2):
            daemon.freeze()
            assert not log(hasty, ledger, number, tmp_path)
            daemon.thaw()
            assert log(client, ledger, number + 1, tmp_path)
    ledger.close()
    calls = read_ledgers(tmp_path)
    assert verify(daemon, calls) == []
    assert len(list(client.versions("model"))) == 10


class _Interrupted(Exception):
    """What Ctrl-C does, for a test."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Interrupt the block, which runs in the main thread."""

    def interrupt(*_: object) -> None:
        raise _Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(_Interrupted):
            yield
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_an_interrupted_call_is_not_accepted_behind_a_newer_one(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    daemon.start()
    client.status()
    ledger = Ledger(tmp_path, "client0")
    for number in range(0, 20, 2):
        daemon.freeze()
        with interrupted_after(0.1):
            log(client, ledger, number, tmp_path)
        daemon.thaw()
        assert log(client, ledger, number + 1, tmp_path)
    ledger.close()
    assert verify(daemon, read_ledgers(tmp_path)) == []


def test_a_call_that_arrives_behind_a_newer_one_of_its_thread_is_refused(
    daemon: DaemonProcess, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.start()
    lane, numbers = os.urandom(16), iter([2, 1, 3])
    monkeypatch.setattr(_logging, "next_in_lane", lambda: (lane, next(numbers)))
    client.log_artifact(build(tmp_path, "model", "newer", Shape.TINY))
    with pytest.raises(NotAccepted, match="newer call"):
        client.log_artifact(build(tmp_path, "model", "older", Shape.TINY))
    assert client.log_artifact(build(tmp_path, "model", "newest", Shape.TINY)).wait(30).version == "v1"


def test_a_call_that_gave_up_can_be_made_again_with_the_same_artifact(
    daemon: DaemonProcess, client: Client, tmp_path: Path
) -> None:
    daemon.start()
    artifact = build(tmp_path, "model", "client0-0", Shape.TINY)
    with daemon.client(timeout=0.3) as hasty:
        hasty.status()
        daemon.freeze()
        with pytest.raises(DaemonUnavailable):
            hasty.log_artifact(artifact)
        daemon.thaw()
    assert client.log_artifact(artifact).wait(30).version == "v0"
