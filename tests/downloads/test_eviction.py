"""Which files go: the oldest that free enough, and no more of them than that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.downloads.eviction import Found, oldest


def found(*ages_and_sizes: tuple[int, int]) -> list[Found]:
    return [Found(used_at, size, f"{used_at}") for used_at, size in ages_and_sizes]


def test_the_least_recently_used_goes_first() -> None:
    files = found((3, 10), (1, 10), (2, 10))
    assert [file.used_at for file in oldest(files, 15)] == [1, 2]


def test_nothing_goes_when_nothing_is_needed() -> None:
    assert oldest(found((1, 10)), 0) == []


def test_all_go_when_all_are_not_enough() -> None:
    assert len(oldest(found((1, 10), (2, 10)), 1000)) == 2


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 100)), unique_by=lambda file: file[0]), st.integers(0)
)
def test_they_are_the_shortest_run_of_the_oldest_that_is_enough(files: list[tuple[int, int]], need: int) -> None:
    chosen = oldest(found(*files), need)
    assert chosen == found(*sorted(files))[: len(chosen)]
    freed = sum(file.size for file in chosen)
    assert freed >= need or len(chosen) == len(files)
    assert not chosen or freed - chosen[-1].size < need
