"""Threads, forked children and many programs at once use one daemon, each as if it were alone."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable

from api.support import SECONDS, made_of
from artifactd.client import Client
from harness.daemon import DaemonProcess
from harness.processes import start_module


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def numbers(client: Client, name: str, key: str) -> dict[int, list[int]]:
    """For each thread or process, its own numbers in the order of versions, which have no gap."""
    found: dict[int, list[int]] = {}
    versions = [client.use_artifact(f"{name}:v{version.version}") for version in client.versions(name)]
    for version in reversed(versions):
        found.setdefault(version.metadata[key], []).append(version.metadata["number"])
    assert [version.version for version in versions] == [f"v{index}" for index in reversed(range(len(versions)))]
    return found


def test_each_thread_gets_its_own_order_in_one_collection(client: Client, name: str) -> None:
    def work(thread: int) -> None:
        for number in range(10):
            about = {"thread": thread, "number": number}
            client.log_artifact(made_of(name, {"file": f"{about}".encode()}, metadata=about))

    in_threads(6, work)
    client.use_artifact(made_of(name, {}, metadata={"thread": 6, "number": 0}))
    assert numbers(client, name, "thread") == {**{thread: list(range(10)) for thread in range(6)}, 6: [0]}


def test_threads_that_log_the_same_artifact_make_one_submission(client: Client, name: str) -> None:
    artifact = made_of(name, {"a": b"1"})
    ids: list[str] = []
    in_threads(8, lambda _: ids.append(client.log_artifact(artifact).id))
    assert len(ids) == 8
    assert len(set(ids)) == 1
    artifact.wait(SECONDS)
    assert len(list(client.versions(name))) == 1


def test_forked_children_and_whole_programs_log_at_once_and_lose_nothing(
    daemon: DaemonProcess, client: Client, name: str
) -> None:
    environ = {
        "ARTIFACTD_SOCKET": str(daemon.socket),
        "ARTIFACTD_ENTITY": client.scope.entity,
        "ARTIFACTD_PROJECT": client.scope.project,
    }
    programs = [
        start_module(
            "api.trainers",
            f"{name}.{index}",
            "4",
            "5",
            environ=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for index in range(2)
    ]
    for index, program in enumerate(programs):
        said, complaints = program.communicate(timeout=SECONDS)
        assert (program.returncode, complaints) == (0, b"")
        for id in (id for line in said.splitlines() for id in json.loads(line)):
            client.handle(id).wait(SECONDS)
        assert numbers(client, f"{name}.{index}", "process") == {process: list(range(5)) for process in range(5)}
