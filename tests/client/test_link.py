"""How the client behaves when the daemon is absent, slow, forgetful or restarted."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_daemon import FakeDaemon

from artifactd.client import (
    Artifact,
    Client,
    DaemonUnavailable,
    Denied,
    InvalidRequest,
    LogHandle,
    ProtocolMismatch,
    _connection,
)
from artifactd.protocol.messages import Failure, GetStatus, Hello, Message, StatusSnapshot


def status(message: Message) -> Message | None:
    return StatusSnapshot(status={"ok": True}) if isinstance(message, GetStatus) else None


def log(client: Client, name: str = "model") -> LogHandle:
    return client.log_artifact(Artifact(name, "model"))


def test_importing_the_client_loads_neither_zmq_nor_msgpack() -> None:
    code = (
        "import sys, artifactd.client\n"
        "print(*sorted({'zmq', 'msgpack', 'asyncio', 'json', 'dataclasses', 'blake3'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_an_absent_daemon_is_named_within_a_second(home: Path) -> None:
    with Client(home / "nobody.sock") as client:
        start = time.monotonic()
        with pytest.raises(DaemonUnavailable) as caught:
            client.status()
    assert time.monotonic() - start < 1.0
    assert str(home / "nobody.sock") in str(caught.value)
    assert "artifactd serve" in str(caught.value)


def test_a_socket_that_nobody_answers_on_is_named_within_a_second(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent, Client(home / "silent.sock") as client:
        silent.bind(str(home / "silent.sock"))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(DaemonUnavailable, match="does not answer"):
            client.status()
    assert time.monotonic() - start < 1.0


def test_a_daemon_that_is_gone_is_waited_for_no_longer_because_its_answers_may_take_long(
    daemon: FakeDaemon,
) -> None:
    with Client(daemon.path, timeout=0.5) as client:
        client.link.welcome()
        daemon.stop()
        start = time.monotonic()
        with pytest.raises(DaemonUnavailable, match="did not return"):
            client.link.request(GetStatus(limit=1), StatusSnapshot, patience=10.0)
    assert time.monotonic() - start < 5.0


def test_a_lost_reply_is_asked_for_again_with_the_same_request(daemon: FakeDaemon, client: Client) -> None:
    daemon.lose = 1
    log(client)
    (first, _), (second, _) = [pair for pair in daemon.received if pair[1] in daemon.submits()]
    assert first == second
    assert daemon.submits()[0] == daemon.submits()[1]


def test_late_duplicates_of_a_reply_are_not_taken_for_the_next_one(daemon: FakeDaemon, client: Client) -> None:
    daemon.duplicates = 3
    first, second = log(client, "a"), log(client, "b")
    daemon.handler = status
    assert client.status() == {"ok": True}
    assert first.id != second.id
    assert len(daemon.submits()) == 2


def test_a_restart_of_the_daemon_is_only_a_delay(daemon: FakeDaemon, client: Client) -> None:
    log(client)
    daemon.stop()
    again = threading.Timer(0.3, daemon.start)
    again.start()
    log(client)
    again.join()
    assert len(daemon.submits()) == 2


def test_an_idle_connection_that_died_costs_no_wait(daemon: FakeDaemon, client: Client) -> None:
    log(client)
    daemon.stop()
    daemon.start()
    with Client(daemon.path, timeout=0.5) as impatient:
        log(impatient)


def test_clients_of_one_socket_share_their_threads_connection(daemon: FakeDaemon, client: Client) -> None:
    log(client)
    with Client(daemon.path) as second:
        assert second.link.welcome() == client.link.welcome()
    assert len([message for _, message in daemon.received if isinstance(message, Hello)]) == 1


def test_a_daemon_that_dies_with_a_request_in_hand_is_asked_again_at_once(
    daemon: FakeDaemon, client: Client
) -> None:
    client.link.timeout = 60.0
    daemon.lose = 1
    answered = threading.Event()
    caller = threading.Thread(target=lambda: (log(client), answered.set()))
    caller.start()
    while not daemon.submits():
        assert not answered.wait(0.01)
    daemon.stop()
    daemon.start()
    assert answered.wait(5.0)
    caller.join()


def test_a_daemon_that_stays_away_ends_in_an_error_that_says_what_became_of_it(
    daemon: FakeDaemon, client: Client
) -> None:
    log(client)
    client.link.timeout = 0.3
    daemon.stop()
    with pytest.raises(DaemonUnavailable, match="not accepted"):
        log(client)


def test_a_request_that_may_be_held_back_waits_no_longer_for_a_daemon_that_is_away(
    daemon: FakeDaemon, client: Client
) -> None:
    log(client)
    client.link.timeout = 0.3
    daemon.stop()
    start = time.monotonic()
    with pytest.raises(DaemonUnavailable, match="did not return"):
        client.link.request(GetStatus(), StatusSnapshot, patience=10.0)
    assert time.monotonic() - start < 2.0


def test_a_daemon_that_never_answers_does_not_hang_the_call(daemon: FakeDaemon, client: Client) -> None:
    log(client)
    client.link.timeout = 0.3
    daemon.lose = 100
    start = time.monotonic()
    with pytest.raises(DaemonUnavailable):
        log(client)
    assert time.monotonic() - start < 2.0


def test_a_call_that_gave_up_can_be_made_again_as_the_same_submission(daemon: FakeDaemon, client: Client) -> None:
    artifact = Artifact("model", "model")
    with artifact.new_file("weights") as file:
        file.write("w")
    client.link.timeout, daemon.lose = 0.2, 100
    with pytest.raises(DaemonUnavailable):
        client.log_artifact(artifact)
    client.link.timeout, daemon.lose = 5.0, 0
    client.log_artifact(artifact)
    first, *_, last = daemon.submits()
    assert first.id == last.id
    assert first.manifest == last.manifest
    assert last.seq > first.seq
    assert last.deadline > first.deadline
    assert (daemon.spool / last.id.hex() / "1").read_bytes() == b"w"


def test_the_deadline_on_the_wire_is_when_the_call_gives_up(daemon: FakeDaemon, client: Client) -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    log(client)
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before + 4.999e9 < daemon.submits()[0].deadline < after + 5.001e9


def test_a_refusal_arrives_as_the_error_it_names(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = lambda message: Failure(code="denied", message="not yours", remedy="ask")
    with pytest.raises(Denied, match="not yours"):
        client.status()


def test_a_daemon_of_another_major_protocol_is_refused_clearly(daemon: FakeDaemon, client: Client) -> None:
    daemon.major = 2
    with pytest.raises(ProtocolMismatch, match=r"protocol 2\.0"):
        client.status()


def test_a_socket_path_that_the_kernel_refuses_is_refused_first(home: Path) -> None:
    with pytest.raises(InvalidRequest, match="ARTIFACTD_SOCKET"):
        Client(home / ("x" * 120))


def test_threads_have_lanes_of_their_own_and_ascend_in_them(daemon: FakeDaemon, client: Client) -> None:
    def work() -> None:
        for _ in range(5):
            log(client)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lanes: dict[bytes, list[int]] = {}
    for submit in daemon.submits():
        lanes.setdefault(submit.lane, []).append(submit.seq)
    assert len(lanes) == 4
    assert all(numbers == sorted(set(numbers)) and len(numbers) == 5 for numbers in lanes.values())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_sockets_of_a_thousand_dead_threads_are_closed(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = status
    client.status()
    before = descriptors()
    for _ in range(50):
        threads = [threading.Thread(target=client.status) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    gc.collect()
    assert descriptors() < before + 100


def in_child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_logs_over_a_socket_and_a_lane_of_its_own(daemon: FakeDaemon, client: Client) -> None:
    log(client)
    assert in_child(lambda: (log(client), log(client))) == 0
    log(client)
    lanes = [submit.lane for submit in daemon.submits()]
    assert len(lanes) == 4
    assert lanes[0] == lanes[3]
    assert lanes[1] == lanes[2] != lanes[0]


def test_a_forked_child_cannot_touch_its_parents_draft(daemon: FakeDaemon, client: Client, file: Path) -> None:
    artifact = Artifact("model", "model")
    artifact.add_file(file, policy="move")

    def work() -> None:
        with pytest.raises(InvalidRequest, match="forked"):
            client.log_artifact(artifact)
        artifact.__dict__.clear()
        gc.collect()

    assert in_child(work) == 0
    client.log_artifact(artifact)
    assert (daemon.spool / daemon.submits()[0].id.hex() / "1").read_bytes() == b"old contents"


def test_an_interrupt_in_the_middle_of_a_request_leaves_the_next_one_unharmed(
    daemon: FakeDaemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.handler = status
    client.status()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_connection, "decode_envelope", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.status()
    assert client.status() == {"ok": True}


def test_a_program_that_ends_with_open_sockets_exits_at_once(daemon: FakeDaemon) -> None:
    code = (
        "import sys, threading\nfrom artifactd.client import Artifact, Client\n"
        "c = Client(sys.argv[1])\nc.log_artifact(Artifact('a', 't'))\n"
        "e = threading.Event()\n"
        "def background():\n    c.log_artifact(Artifact('b', 't')); e.set(); threading.Event().wait()\n"
        "threading.Thread(target=background, daemon=True).start(); e.wait()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(daemon.path)], capture_output=True, text=True, timeout=20
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert len(daemon.submits()) == 2


def test_the_process_keeps_no_connection_once_a_client_is_closed(daemon: FakeDaemon, client: Client) -> None:
    daemon.handler = status
    client.status()
    client.close()
    assert _connection.take(str(daemon.path)) is None
