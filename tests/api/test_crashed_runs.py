"""A run whose process is gone is found crashed, and no other one is: with real processes, really killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from api.support import SECONDS, until_committed
from artifactd.client import Api, Client
from artifactd.client._lineage import ApiRun
from artifactd.protocol.messages import Done, FinishRun, StartRun
from harness.daemon import DaemonProcess
from harness.processes import start_module

GLANCE = 0.02


class Trainer:
    """A running `api.trainer`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def tell(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n".encode())
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def ask(self, words: str) -> str:
        self.tell(words)
        return self.hear()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self, words: str | None = None) -> tuple[int, str]:
        """Let it end by itself; its exit code and what it wrote to stderr."""
        if words is not None:
            self.tell(words)
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors.decode()


StartTrainer = Callable[..., Trainer]


@pytest.fixture
def train(daemon: DaemonProcess, client: Client) -> Iterator[StartTrainer]:
    """Start a trainer of a run and wait until it has begun."""
    with ExitStack() as running:

        def start(*arguments: str) -> Trainer:
            environ = {
                "ARTIFACTD_SOCKET": str(daemon.socket),
                "ARTIFACTD_ENTITY": client.scope.entity,
                "ARTIFACTD_PROJECT": client.scope.project,
            }
            pipe = subprocess.PIPE
            process = start_module(
                "api.trainer", *arguments, environ=environ, stdin=pipe, stdout=pipe, stderr=pipe
            )
            running.enter_context(process)
            running.callback(process.kill)
            trainer = Trainer(process)
            assert trainer.hear() == "ready"
            return trainer

        yield start


@pytest.fixture
def run_id(name: str) -> str:
    return name[-100:]


def until_state(run: str, state: str) -> ApiRun:
    """The run, once it is in `state`."""
    deadline = time.monotonic() + SECONDS
    while (found := Api().run(run)).state != state:
        assert time.monotonic() < deadline, f"the run stays {found.state}"
        time.sleep(GLANCE)
    return found


def sweep(daemon: DaemonProcess, client: Client, run: str) -> None:
    """Return once the daemon has looked at all runs, from now on: it has found one whose lock is free."""
    for number in range(2):
        id, lock = f"{run}.bait{number}", os.urandom(16).hex()
        where: dict[str, Any] = {"entity": client.scope.entity, "project": client.scope.project, "id": id}
        (daemon.home / "runs" / lock).write_text(json.dumps(where))
        client.link.request(StartRun(**where, name="bait", lock=lock), Done)
        until_state(id, "crashed")


def locks_of(daemon: DaemonProcess, run: str) -> list[str]:
    files = (daemon.home / "runs").iterdir()
    return [file.name for file in files if json.loads(file.read_text())["id"] == run]


def test_a_killed_process_leaves_a_crashed_run_and_all_that_it_logged(
    daemon: DaemonProcess, train: StartTrainer, run_id: str, name: str
) -> None:
    trainer = train(run_id, name)
    assert Api().run(run_id).state == "running"
    before = time.time()
    trainer.kill()
    run = until_state(run_id, "crashed")
    assert run.ended_at is not None
    assert before <= run.ended_at <= time.time()
    until_committed(f"{name}:v0")
    assert [item.name for item in run.logged_artifacts()] == [f"{name}:v0"]
    assert locks_of(daemon, run_id) == []
    assert [run.id for run in Api().runs(filters={"state": "crashed"}) if run.id == run_id] == [run_id]


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_run_alive(
    train: StartTrainer, run_id: str
) -> None:
    trainer = train(run_id)
    child = int(trainer.ask("fork"))
    trainer.kill()
    try:
        until_state(run_id, "crashed")
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_childs_death_leaves_its_parents_run_open(
    daemon: DaemonProcess, client: Client, train: StartTrainer, run_id: str
) -> None:
    trainer = train(run_id)
    os.kill(int(trainer.ask("fork")), signal.SIGKILL)
    sweep(daemon, client, run_id)
    assert Api().run(run_id).state == "running"
    assert trainer.end()[0] == 0
    assert Api().run(run_id).state == "finished"


@pytest.mark.parametrize("words", ["fork leave", "fork start {run}.child"])
def test_a_child_that_ends_or_starts_a_run_of_its_own_leaves_its_parents_open(
    daemon: DaemonProcess, client: Client, train: StartTrainer, run_id: str, words: str
) -> None:
    trainer = train(run_id)
    trainer.ask(words.format(run=run_id))
    assert trainer.hear() == "reaped"
    sweep(daemon, client, run_id)
    assert Api().run(run_id).state == "running"
    if "start" in words:
        assert Api().run(f"{run_id}.child").state == "finished"


@pytest.mark.parametrize("first", [0, 1])
def test_a_run_that_two_processes_share_lives_as_long_as_one_of_them(
    daemon: DaemonProcess, client: Client, train: StartTrainer, run_id: str, first: int
) -> None:
    trainers = [train(run_id), train(run_id)]
    trainers[first].kill()
    sweep(daemon, client, run_id)
    assert Api().run(run_id).state == "running"
    trainers[1 - first].kill()
    until_state(run_id, "crashed")


def test_a_crashed_run_that_is_resumed_goes_on(
    daemon: DaemonProcess, client: Client, train: StartTrainer, run_id: str
) -> None:
    train(run_id).kill()
    until_state(run_id, "crashed")
    trainer = train(run_id)
    sweep(daemon, client, run_id)
    assert Api().run(run_id).state == "running"
    assert trainer.ask("finish") == "finished"
    assert Api().run(run_id).state == "finished"
    assert locks_of(daemon, run_id) == []


def test_a_run_that_is_resumed_at_once_is_never_taken_for_crashed(
    daemon: DaemonProcess, client: Client, train: StartTrainer, run_id: str
) -> None:
    trainer = train(run_id)
    for _ in range(5):
        trainer.kill()
        trainer = train(run_id)
        assert Api().run(run_id).state == "running"
    sweep(daemon, client, run_id)
    assert Api().run(run_id).state == "running"


@pytest.mark.usefixtures("restarted")
def test_a_daemon_that_restarts_finds_the_living_alive_and_the_dead_dead(
    daemon: DaemonProcess, client: Client, train: StartTrainer, run_id: str
) -> None:
    alive, dead = train(f"{run_id}.alive"), train(f"{run_id}.dead")
    daemon.kill()
    dead.kill()
    daemon.start()
    until_state(f"{run_id}.dead", "crashed")
    sweep(daemon, client, run_id)
    assert Api().run(f"{run_id}.alive").state == "running"
    assert alive.end()[0] == 0
    assert Api().run(f"{run_id}.alive").state == "finished"


def test_what_a_process_says_of_its_run_outdoes_crashed(
    daemon: DaemonProcess, client: Client, train: StartTrainer, run_id: str
) -> None:
    trainer = train(run_id)
    (lock,) = locks_of(daemon, run_id)
    # As if the daemon had found the lock free: the run's file is replaced by one that nobody holds.
    text = (daemon.home / "runs" / lock).read_text()
    (daemon.home / "runs" / lock).unlink()
    (daemon.home / "runs" / lock).write_text(text)
    until_state(run_id, "crashed")
    assert trainer.ask("finish") == "finished"
    assert Api().run(run_id).state == "finished"


def test_a_run_that_finishes_while_the_daemon_looks_is_never_crashed(
    daemon: DaemonProcess, client: Client, run_id: str
) -> None:
    where: dict[str, Any] = {"entity": client.scope.entity, "project": client.scope.project, "id": run_id}
    lock = os.urandom(16).hex()
    client.link.request(StartRun(**where, name="n", lock=lock), Done)
    client.link.request(FinishRun(**where), Done)
    # Its process died between its last word and taking the file away.
    (daemon.home / "runs" / lock).write_text(json.dumps(where))
    sweep(daemon, client, run_id)
    assert Api().run(run_id).state == "finished"
    assert locks_of(daemon, run_id) == []


@pytest.mark.parametrize(
    ("words", "code", "state"),
    [
        (None, 0, "finished"),
        ("exit 0", 0, "finished"),
        ("exit 3", 3, "failed"),
        ("raise", 1, "failed"),
        ("interrupt", -signal.SIGINT, "failed"),
    ],
)
def test_a_program_that_ends_without_finish_closes_its_run(
    daemon: DaemonProcess, train: StartTrainer, run_id: str, words: str | None, code: int, state: str
) -> None:
    ended, errors = train(run_id).end(words)
    assert ended == code
    assert "Exception ignored" not in errors
    assert ("ZeroDivisionError" in errors) == (words == "raise")
    run = Api().run(run_id)
    assert (run.state, run.ended_at is not None) == (state, True)
    assert locks_of(daemon, run_id) == []


def test_a_run_that_is_finished_stays_so_however_its_program_ends(train: StartTrainer, run_id: str) -> None:
    trainer = train(run_id)
    assert trainer.ask("finish") == "finished"
    assert trainer.end("exit 3")[0] == 3
    assert Api().run(run_id).state == "finished"


@pytest.mark.usefixtures("restarted")
def test_a_program_hardly_waits_for_a_daemon_that_is_away_and_its_run_is_found_crashed(
    daemon: DaemonProcess, train: StartTrainer, run_id: str
) -> None:
    trainer = train(run_id)
    daemon.stop()
    start = time.monotonic()
    code, errors = trainer.end()
    assert time.monotonic() - start < 5.0
    assert code == 0
    assert f"the run {run_id} could not be closed" in errors
    daemon.start()
    until_state(run_id, "crashed")
