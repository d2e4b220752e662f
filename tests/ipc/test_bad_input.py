"""What a real daemon answers to peers that break the protocol, and that it serves others all the while."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
import zmq

from artifactd.client import Artifact
from artifactd.protocol import codec, messages
from artifactd.protocol.manifest import DraftEntry, Identity, pack_draft
from harness.daemon import DaemonProcess
from harness.places import directory

ID = b"r" * 16
HELLO = messages.Hello(client_version="test")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """One daemon for all: whatever a test did to it, it serves the next one."""
    with tempfile.TemporaryDirectory(prefix="artifactd-", dir="/tmp") as home:
        daemon = DaemonProcess(Path(home), directory(tmp_path_factory.mktemp("blobs")))
        daemon.start()
        yield daemon
        daemon.close()


@contextmanager
def peer(daemon: DaemonProcess) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.rcvtimeo = 10_000
        dealer.connect(f"ipc://{daemon.socket}")
        yield dealer


def answer(dealer: zmq.Socket[bytes]) -> messages.Message:
    head, *body = dealer.recv_multipart()
    return codec.decode_body(codec.decode_envelope(head).tag, body)


def ask(daemon: DaemonProcess, frames: list[bytes]) -> messages.Message:
    with peer(daemon) as dealer:
        dealer.send_multipart(frames)
        return answer(dealer)


def submit(**changes: object) -> messages.Submit:
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    message = messages.Submit(
        id=os.urandom(16),
        lane=os.urandom(16),
        seq=1,
        deadline=now + 10**10,
        entity="e",
        project="p",
        name="n",
        type="t",
        files=0,
        size=0,
        manifest=b"".join(pack_draft([])),
    )
    return replace(message, **changes)  # type: ignore[arg-type]


def outcome(daemon: DaemonProcess, message: messages.Submit) -> messages.Submission:
    """Submit, and wait for the end."""
    assert isinstance(ask(daemon, codec.encode(message, ID)), messages.Accepted)
    while True:
        found = ask(daemon, codec.encode(messages.Wait(id=message.id, timeout=5.0), ID))
        assert isinstance(found, messages.Submission)
        if found.state in ("committed", "failed"):
            return found


def counts(daemon: DaemonProcess) -> object:
    status = ask(daemon, codec.encode(messages.GetStatus(), ID))
    assert isinstance(status, messages.StatusSnapshot)
    return status.status["submissions"]


def assert_serves(daemon: DaemonProcess) -> None:
    assert isinstance(ask(daemon, codec.encode(HELLO, ID)), messages.Welcome)


def test_a_client_of_another_major_is_told_so(daemon: DaemonProcess) -> None:
    head = msgpack.packb((codec.MAJOR + 1, 0, 1, ID))
    reply = ask(daemon, [head, b"\x80"])
    assert isinstance(reply, messages.Failure)
    assert reply.code == "protocol"
    assert f"{codec.MAJOR + 1}.0" in reply.message
    assert "same artifactd release" in reply.remedy


def test_a_request_of_a_newer_release_is_refused_by_name(daemon: DaemonProcess) -> None:
    reply = ask(daemon, [msgpack.packb((codec.MAJOR, 9, 999, ID)), b"\x80"])
    assert isinstance(reply, messages.Failure)
    assert reply.code == "invalid"
    assert "999" in reply.message


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"garbage", b"garbage"],
        [b"\xc1" * 50],
        [msgpack.packb((1, 0, 1, ID)), b"\xc1"],
        [msgpack.packb((1, 0, 1, ID)), b"\x91" * 200_000],
        [msgpack.packb((1, 0, 1, ID)), msgpack.packb({"client_version": ["nested"] * 1000})],
        [msgpack.packb((1, 0, 3, ID)), msgpack.packb({"id": b"x"})],
        [msgpack.packb((1, 0, 2, ID)), msgpack.packb({})],
    ],
)
def test_malformed_messages_get_a_refusal(daemon: DaemonProcess, frames: list[bytes]) -> None:
    reply = ask(daemon, frames)
    assert isinstance(reply, messages.Failure)
    assert reply.code == "invalid"
    assert_serves(daemon)


def test_a_reply_sent_as_a_request_is_refused(daemon: DaemonProcess) -> None:
    reply = ask(daemon, codec.encode(messages.Done(), ID))
    assert isinstance(reply, messages.Failure)
    assert "not a request" in reply.message


def test_too_many_frames_and_too_large_frames_are_dropped_and_others_are_served(daemon: DaemonProcess) -> None:
    with peer(daemon) as dealer:
        dealer.send_multipart([b"x"] * 50)
        dealer.send_multipart(codec.encode(HELLO, ID))
        assert isinstance(answer(dealer), messages.Welcome)
        dealer.send_multipart([b"x" * (codec.MAX_FRAME + 1)])
        assert_serves(daemon)


def test_bytes_that_are_not_even_zmq_harm_nobody(daemon: DaemonProcess) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(daemon.socket))
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        assert_serves(daemon)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": b"short"},
        {"lane": b""},
        {"name": "a b"},
        {"name": "../x"},
        {"type": "job"},
        {"entity": "a/b"},
        {"entity": ""},
        {"entity": ".."},
        {"entity": "ada\0"},
        {"entity": "\uff0e\uff0e"},
        {"entity": "artifactd-probe"},
        {"project": ""},
        {"aliases": ("v3",)},
        {"tags": ("a:b",)},
        {"files": -1},
        {"files": 10**9},
        {"size": -1},
        {"metadata": "[]"},
        {"metadata": "{"},
        {"metadata": '{"a": NaN}'},
        {"metadata": "[" * 100_000},
        {"manifest": None},
        {"manifest_file": messages.SpoolFile(name="m", size=1, xxh3=b"")},
        {"aliases": tuple(f"a{number}" for number in range(200))},
        {"after": b"unknown submission"},
        {"run": "a/b"},
        {"deadline": 1 << 62},
        {"draft": messages.DraftPart(distributed_id="a/b")},
        {"draft": messages.DraftPart(distributed_id="d"), "after": ID},
        {"draft": messages.DraftPart(distributed_id="d"), "reuse": True},
        {"run": "r1", "reuse": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_submission_against_the_rules_is_refused_and_never_queued(
    daemon: DaemonProcess, changes: dict[str, object]
) -> None:
    before = counts(daemon)
    reply = ask(daemon, codec.encode(submit(**changes), ID))
    assert isinstance(reply, messages.Failure)
    assert reply.code == "invalid"
    assert counts(daemon) == before


def test_a_submission_past_its_deadline_is_not_accepted(daemon: DaemonProcess) -> None:
    reply = ask(daemon, codec.encode(submit(deadline=1), ID))
    assert isinstance(reply, messages.Failure)
    assert reply.code == "not_accepted"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (DraftEntry("a", 1, b"../../etc/passwd", 0, None), "spool file"),
        (DraftEntry("a", 1, b"missing", 0, None), "opened"),
        (DraftEntry("../a", 1, b"pack", 0, None), "component"),
        (DraftEntry("a", 1, b"relative", 0, Identity(1, 2, 3, 4, 5)), "absolute"),
        (DraftEntry("a", 1, b"/etc/passwd", 0, Identity(1, 2, 3, 4, 5)), "changed"),
        (DraftEntry("a", 1, b"/dev/zero", 0, Identity(1, 2, 3, 4, 5)), "changed"),
    ],
)
def test_a_manifest_that_lies_fails_its_own_submission_and_no_other(
    daemon: DaemonProcess, entry: DraftEntry, reason: str
) -> None:
    bad = submit(files=1, size=1, manifest=b"".join(pack_draft([entry])))
    found = outcome(daemon, bad)
    assert found.state == "failed"
    assert found.error is not None
    assert reason in found.error.message
    with daemon.client() as client:
        good = client.log_artifact(Artifact("n", "t"))
        assert good.wait(timeout=20).version == "v0"


def test_counts_that_lie_fail_the_submission(daemon: DaemonProcess) -> None:
    found = outcome(daemon, submit(files=5, size=100))
    assert found.state == "failed"
    assert found.error is not None
    assert "0 files" in found.error.message


def test_an_id_reused_for_another_artifact_is_refused(daemon: DaemonProcess) -> None:
    first = submit()
    assert isinstance(ask(daemon, codec.encode(first, ID)), messages.Accepted)
    again = ask(daemon, codec.encode(replace(first, seq=7), ID))
    assert isinstance(again, messages.Accepted)
    other = ask(daemon, codec.encode(replace(first, name="other"), ID))
    assert isinstance(other, messages.Failure)
    assert other.code == "invalid"


def test_nobody_learns_of_a_submission_that_is_not_theirs(daemon: DaemonProcess) -> None:
    reply = ask(daemon, codec.encode(messages.Wait(id=b"x" * 16), ID))
    assert isinstance(reply, messages.Failure)
    assert reply.code == "not_found"


@pytest.mark.parametrize("landing", ["..", "/tmp", "a/b", "missing", ""])
def test_a_download_lands_only_in_a_directory_of_the_spool(daemon: DaemonProcess, landing: str) -> None:
    request = messages.FetchManifest(entity="e", project="p", name="n", version=0, landing=landing)
    reply = ask(daemon, codec.encode(request, ID))
    assert isinstance(reply, messages.Failure)
    assert reply.code in ("invalid", "failed")


def test_a_second_daemon_on_the_same_home_or_socket_is_refused(daemon: DaemonProcess, tmp_path: Path) -> None:
    for environ in (
        {"ARTIFACTD_HOME": str(daemon.home)},
        {"ARTIFACTD_HOME": str(tmp_path / "h"), "ARTIFACTD_SOCKET": str(daemon.socket)},
    ):
        result = subprocess.run(
            [sys.executable, "-m", "artifactd.daemon", "serve"],
            env={**os.environ, **environ}, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert result.returncode == 78
        assert "another artifactd already serves" in result.stderr
    assert_serves(daemon)


def test_a_home_whose_socket_path_is_too_long_is_refused_with_the_way_out(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "artifactd.daemon", "serve", "--home", str(tmp_path / ("x" * 100))],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert result.returncode == 78
    assert "ARTIFACTD_SOCKET" in result.stderr


EDIT = messages.EditVersion(entity="e", project="p", name="n", version=0, revision=0)
LINK = messages.LinkVersion(id=ID, entity="e", project="p", name="n", version=0, target=("e", "q", "n"))


@pytest.mark.parametrize(
    "request_",
    [
        replace(EDIT, add_aliases=("v3",)),
        replace(EDIT, add_tags=("a:b",)),
        replace(EDIT, remove_aliases=tuple(map(str, range(101)))),
        replace(EDIT, description=(None, "x" * 70_000)),
        replace(EDIT, metadata=(b"", "[]")),
        replace(EDIT, metadata=(b"", "[" * 100_000)),
        replace(EDIT, ttl=(None, 0)),
        replace(EDIT, revision=-1),
        replace(EDIT, version=1 << 63),
        replace(LINK, id=b"short"),
        replace(LINK, target=("e", "q/r", "n")),
        replace(LINK, target=("e", "q", "..")),
        replace(LINK, aliases=("a/b",)),
        messages.GetRunVersions(entity="e", project="p", run="r", role="nothing"),
        messages.GetRunVersions(entity="e", project="p", run="r", role="used", after=("e", "p", "n", 1 << 63)),
    ],
)
def test_edits_links_and_questions_against_the_rules_are_refused(
    daemon: DaemonProcess, request_: messages.Message
) -> None:
    reply = ask(daemon, codec.encode(request_, ID))
    assert isinstance(reply, messages.Failure)
    assert reply.code == "invalid"
    assert_serves(daemon)
