"""The files that live runs keep locked: what is read of them, and what strangers may leave beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artifactd.daemon.queue.run_locks import RunLock, RunName, free_runs, read_locks, remove_locks

NAME = "0123456789abcdef" * 2
RUN = {"entity": "team", "project": "vision", "id": "r1"}

_HOLD = """
import sys
from artifactd.client._run_lock import RunLock
lock = RunLock(sys.argv[1], "team", "vision", "r1")
print(lock.name, flush=True)
sys.stdin.readline()
lock.remove()
"""


@contextmanager
def client_of(directory: Path, *, umask: int = 0o022) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The name of a file that a real client of another process holds, and the process."""
    command = [sys.executable, "-c", _HOLD, str(directory)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, umask=umask) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip(), process
        process.kill()


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_clients_file_is_held_until_its_process_is_gone(tmp_path: Path, umask: int) -> None:
    run = RunName(os.getuid(), "team", "vision", "r1")
    with client_of(tmp_path, umask=umask) as (name, process):
        (held,) = read_locks(tmp_path)
        assert (held.name, held.run, held.held) == (name, run, True)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o644
        assert free_runs([held]) == {}
        process.kill()
        process.wait()
        (free,) = read_locks(tmp_path)
        assert free_runs([free]) == {run: [free]}


def test_looking_takes_no_lock_away(tmp_path: Path) -> None:
    with client_of(tmp_path):
        assert [read_locks(tmp_path)[0].held for _ in range(3)] == [True] * 3


def test_a_run_that_ends_takes_its_file_away(tmp_path: Path) -> None:
    with client_of(tmp_path) as (_, process):
        process.communicate(b"\n")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[1]",
        b"[" * 4000,
        b'{"entity": "team", "project": "vision"}',
        b'{"entity": "team", "project": "vision", "id": 7}',
        b'{"entity": "team", "project": "vision", "id": "../x"}',
        b'{"entity": "team", "project": "vision", "id": "a\\u0000"}',
        json.dumps(RUN | {"more": "x" * 5000}).encode(),
    ],
)
def test_what_names_no_run_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / NAME).write_bytes(text)
    (lock,) = read_locks(tmp_path)
    assert (lock.run, lock.held) == (None, False)


def test_neither_links_nor_pipes_nor_directories_are_opened(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    (tmp_path / "elsewhere").write_text(json.dumps(RUN))
    (runs / NAME).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(runs / f"{NAME[:-1]}0")
    (runs / f"{NAME[:-1]}1").mkdir()
    locks = read_locks(runs)
    assert [(lock.run, lock.held) for lock in locks] == [(None, False)] * 3
    remove_locks(runs, locks)
    assert [path.is_dir() for path in runs.iterdir()] == [True]
    assert (tmp_path / "elsewhere").exists()


def test_a_file_under_another_name_is_no_runs(tmp_path: Path) -> None:
    for name in (f".{NAME}", "readme", NAME.upper()):
        (tmp_path / name).write_text(json.dumps(RUN))
    assert [lock.run for lock in read_locks(tmp_path)] == [None] * 3


def test_a_run_is_free_only_when_all_its_files_are() -> None:
    mine, theirs = RunName(1, "team", "vision", "r1"), RunName(2, "team", "vision", "r1")
    free, held = RunLock("a", mine, False, 0.0), RunLock("b", mine, True, 0.0)
    other = RunLock("c", theirs, False, 0.0)
    assert free_runs([free, held, other]) == {theirs: [other]}
    assert free_runs([free, other, RunLock("d", None, False, 0.0)]) == {mine: [free], theirs: [other]}
