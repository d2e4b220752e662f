"""The merge of rows with objects: nothing is missed and nothing comes twice, in whatever order it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TypeVar

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.catalog import BlobLocation
from artifactd.daemon.catalog.pages import BlobRow
from artifactd.daemon.maintenance.joining import merge
from artifactd.daemon.stores.base import ObjectInfo

T = TypeVar("T")
KEYS = st.text("abc/", max_size=3)


async def each(items: Iterable[T]) -> AsyncGenerator[T, None]:
    for item in items:
        yield item


def merged(rows: Sequence[str], objects: Sequence[str]) -> list[tuple[str | None, str | None]]:
    pairs: list[tuple[str | None, str | None]] = []

    async def collect() -> None:
        listed = [BlobRow("team", "digest", BlobLocation(key, 0, 1)) for key in rows]
        async for row, info in merge(each(listed), each(ObjectInfo(key, 1) for key in objects)):
            pairs.append((row and row.location.key, info and info.key))

    trio.run(collect)
    return pairs


@given(rows=st.sets(KEYS), objects=st.sets(KEYS))
def test_rows_and_objects_of_one_key_come_together_and_all_others_alone(rows: set[str], objects: set[str]) -> None:
    expected = [(key if key in rows else None, key if key in objects else None) for key in sorted(rows | objects)]
    assert merged(sorted(rows), sorted(objects)) == expected


@given(rows=st.lists(KEYS), objects=st.lists(KEYS))
def test_in_disorder_everything_still_comes_once_and_no_row_with_a_wrong_object(
    rows: list[str], objects: list[str]
) -> None:
    pairs = merged(rows, objects)
    assert [row for row, _ in pairs if row is not None] == rows
    assert Counter(info for _, info in pairs if info is not None) == Counter(objects)
    assert all(row == info for row, info in pairs if row is not None and info is not None)
