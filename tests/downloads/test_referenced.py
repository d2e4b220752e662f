"""References on their way into a landing directory: what is there is kept, and the disk is shared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing

from artifactd.daemon.downloads.referenced import Referenced
from artifactd.daemon.references.base import Asker
from artifactd.daemon.references.references import References
from artifactd.protocol.manifest import Entry, Reference, landing_name

ASKER = Asker(1000, "e")


class ScriptedReferences:
    """Writes what is expected once `go` is set, and takes down how much room each fetch was given."""

    def __init__(self) -> None:
        self.go = trio.Event()
        self.rooms: list[int] = []

    async def fetch(self, entry: Entry, fd: int, room: int, asker: Asker, *, attempts: int) -> None:
        self.rooms.append(room)
        await self.go.wait()
        os.write(fd, b"fetched")


def entry(path: str, size: int) -> Entry:
    return Entry(path, "etag:x", size, Reference(f"http://h/{path}", ()))


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


async def land(references: ScriptedReferences, landing: int, *entries: Entry) -> list[Entry]:
    landed: list[Entry] = []
    referenced = Referenced(cast(References, references), reserve=0)
    await referenced.land(entries, landing, asker=ASKER, landed=landed.append)
    return landed


async def test_what_is_on_its_way_takes_room_from_what_comes_next(
    landing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = os.fstatvfs(landing)
    monkeypatch.setattr(os, "fstatvfs", lambda _: free)
    references = ScriptedReferences()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(land, references, landing, entry("a", 1_000), entry("b", 1_000))
        await trio.testing.wait_all_tasks_blocked()
        references.go.set()
    first, second = references.rooms
    assert (first, second) == (free.f_bavail * free.f_frsize, first - 1_000)


async def test_what_has_landed_already_is_not_fetched_again(landing: int, tmp_path: Path) -> None:
    there, missing = entry("a", 1), entry("b", 7)
    (tmp_path / landing_name(there)).write_bytes(b"x")
    references = ScriptedReferences()
    references.go.set()
    assert {each.path for each in await land(references, landing, there, missing)} == {"a", "b"}
    assert len(references.rooms) == 1
    assert (tmp_path / landing_name(there)).read_bytes() == b"x"
    assert (tmp_path / landing_name(missing)).read_bytes() == b"fetched"
