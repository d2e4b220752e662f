"""Lists that are fetched page by page, and the paths by which `Api` finds things."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from artifactd.client import Api, Artifact, Client, InvalidRequest, ProtocolMismatch
from artifactd.client._addresses import parse_collection, parse_project, parse_run
from artifactd.client._paging import Pages


@dataclass
class Page:
    items: tuple[int, ...]
    more: bool
    total: int | None


class Source:
    """Serves the numbers below `count`, `size` at a time; notes each request."""

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size
        self.asked: list[int | None] = []

    def fetch(self, last: int | None) -> Page:
        self.asked.append(last)
        start = 0 if last is None else last + 1
        stop = min(start + self.size, self.count)
        return Page(tuple(range(start, stop)), stop < self.count, self.count if last is None else None)


def pages(source: Source) -> Pages[str]:
    return Pages(source.fetch, str)


def test_only_pages_that_are_looked_at_are_fetched_and_each_once() -> None:
    source = Source(10, 3)
    found = pages(source)
    assert source.asked == []
    assert len(found) == 10
    assert (found[0], found[2]) == ("0", "2")
    assert source.asked == [None]
    assert found[3] == "3"
    assert source.asked == [None, 2]
    assert list(found) == list(found) == [str(n) for n in range(10)]
    assert source.asked == [None, 2, 5, 8]


def test_it_is_indexed_and_sliced_like_a_list() -> None:
    plain = [str(n) for n in range(10)]
    for cut in (
        slice(2),
        slice(4, 7),
        slice(-3, None),
        slice(None),
        slice(None, -2),
        slice(8, 99),
        slice(1, 9, 3),
    ):
        assert pages(Source(10, 3))[cut] == plain[cut]
    assert (pages(Source(10, 3))[-1], pages(Source(10, 3))[-10]) == ("9", "0")
    for index in (10, -11):
        with pytest.raises(IndexError):
            pages(Source(10, 3))[index]
    assert "7" in pages(Source(10, 3))
    assert list(reversed(pages(Source(10, 3)))) == plain[::-1]


def test_next_gives_one_after_the_other_and_fetches_no_page_early() -> None:
    source = Source(4, 2)
    found = pages(source)
    assert (next(found), next(found)) == ("0", "1")
    assert source.asked == [None]
    assert list(found) == ["0", "1", "2", "3"]
    assert (next(found), next(found), next(found, "no more")) == ("2", "3", "no more")
    assert source.asked == [None, 1]


def test_nothing_is_an_empty_list() -> None:
    found = pages(Source(0, 3))
    assert (len(found), list(found), bool(found), next(found, None)) == (0, [], False, None)


def test_a_list_that_shrinks_while_it_is_walked_tells_what_there_was() -> None:
    source = Source(10, 3)
    found = pages(source)
    assert len(found) == 10
    source.count = 5
    assert list(found) == ["0", "1", "2", "3", "4"]
    assert len(found) == 5


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("r", ("e", "p", "r")),
        ("q/r", ("e", "q", "r")),
        ("f/q/r", ("f", "q", "r")),
        ("f/q/runs/r", ("f", "q", "r")),
        ("/f/q/r", ("f", "q", "r")),
    ],
)
def test_a_run_is_named_by_each_form_of_path(path: str, expected: tuple[str, str, str]) -> None:
    assert parse_run(path, entity="e", project="p") == expected


def test_paths_that_mean_nothing_are_refused() -> None:
    for run in ("", "a/b/c/d", "a/b/runs/c/d", "a b", "a//b"):
        with pytest.raises(InvalidRequest):
            parse_run(run, entity="e", project="p")
    for project in ("a/b/c", "/", "a b"):
        with pytest.raises(InvalidRequest):
            parse_project(project, entity="e", project="p")
    for collection in ("a:v0", "a:", "a/b/c/d"):
        with pytest.raises(InvalidRequest):
            parse_collection(collection, entity="e", project="p")


def test_a_daemon_that_would_ignore_a_filter_or_a_ttl_is_not_asked(client: Client) -> None:
    with pytest.raises(ProtocolMismatch, match="'filters'"):
        Api().artifacts("model", "m")
    artifact = Artifact("m", "model")
    artifact.ttl = 3
    with pytest.raises(ProtocolMismatch, match="'ttl'"):
        client.log_artifact(artifact)
