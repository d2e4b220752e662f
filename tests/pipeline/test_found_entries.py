"""What references turned out to be, collected: sorted, counted, bounded, each path once."""

from __future__ import annotations

from contextlib import closing

import pytest

from artifactd.daemon.pipeline import found_entries
from artifactd.daemon.pipeline.found_entries import FoundEntries
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import Entry, Reference


def entry(path: str, size: int = 1) -> Entry:
    return Entry(path, "etag:x", size, Reference(f"http://h/{path}", (("etag", "x"),)))


def test_entries_come_back_by_the_bytes_of_their_paths_with_their_totals() -> None:
    made = [entry(path, size) for size, path in enumerate(["b", "a.txt", "a/b", "\U0001f600", "\ue000"])]
    with closing(FoundEntries()) as found:
        found.add(made[:2])
        found.add(made[2:])
        assert list(found) == sorted(made, key=lambda entry: entry.path.encode())
        assert (found.files, found.size) == (5, 10)


@pytest.mark.parametrize("twice", [["a", "b", "a"], ["new", "known"]])
def test_a_path_that_comes_twice_is_named(twice: list[str]) -> None:
    with closing(FoundEntries()) as found:
        found.add([entry("known")])
        with pytest.raises(InvalidRequest, match="the same entry") as caught:
            found.add([entry(path) for path in twice])
        assert caught.value.subject == twice[-1]
        assert (list(found), found.files) == ([entry("known")], 1)


def test_more_than_an_artifact_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found_entries, "_MAX_FILES", 3)
    with closing(FoundEntries()) as found:
        found.add([entry(path) for path in "abc"])
        with pytest.raises(InvalidRequest, match="more than an artifact can hold"):
            found.add([entry("d")])
    with closing(FoundEntries()) as found, pytest.raises(InvalidRequest, match="more than an artifact can hold"):
        found.add([entry("a", 1 << 61), entry("b", 1 << 61)])
