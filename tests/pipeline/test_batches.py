"""How files are grouped: nothing lost, in order, bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.pipeline.batches import MAX_BYTES, MAX_FILES, SMALL, plan
from artifactd.protocol.manifest import DraftEntry


@given(st.lists(st.integers(0, 3 * SMALL) | st.integers(0, 1000), max_size=600))
def test_every_file_is_in_one_batch_in_order_and_batches_are_bounded(sizes: list[int]) -> None:
    entries = [DraftEntry(f"{number:05}", size, b"pack", 0, None) for number, size in enumerate(sizes)]
    batches = list(plan(entries))
    assert [entry for batch in batches for entry in batch.entries] == entries
    position = 0
    for batch in batches:
        assert batch.first == position
        assert batch.size == sum(entry.size for entry in batch.entries)
        assert 0 < len(batch.entries) <= MAX_FILES
        assert batch.size <= MAX_BYTES or len(batch.entries) == 1
        assert batch.is_large == (batch.size > SMALL)
        position += len(batch.entries)


def test_a_million_entries_are_planned_lazily() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield DraftEntry("a", 1, b"pack", 0, None)

    next(iter(plan(endless())))  # type: ignore[arg-type]
    assert taken == MAX_FILES + 1
