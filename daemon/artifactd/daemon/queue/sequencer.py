"""The order of commits, as a pure object: per collection the order of acceptance, and `after` across them.

Positions are the journal's: ascending integers in the order of acceptance. A submission may commit when
everything accepted before it in its collection has committed or was dropped, its own blobs are stored
(`ready`), and the submission it was logged `after` has committed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Sequencer"]


@dataclass(slots=True)
class _Item:
    collection: str
    after: int | None
    ready: bool = False
    taken: bool = False


class Sequencer:
    """Decides which submissions may commit now. No I/O, no waiting: every method is one atomic step."""

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}
        self._lines: dict[str, deque[int]] = {}
        self._dependents: dict[int, list[int]] = {}
        self._candidates: set[str] = set()

    def accepted(self, position: int, collection: str, after: int | None = None) -> None:
        """Append to the collection's line. `after` is a position still in here, or None."""
        line = self._lines.setdefault(collection, deque())
        if position in self._items or (line and line[-1] >= position):
            raise ValueError(f"position {position} does not ascend in {collection}")
        if after is not None:
            if after not in self._items:
                raise ValueError(f"position {after} is not in the queue")
            self._dependents.setdefault(after, []).append(position)
        self._items[position] = _Item(collection, after)
        line.append(position)

    def ready(self, position: int) -> None:
        """Its blobs and its manifest are stored."""
        item = self._items[position]
        item.ready = True
        self._candidates.add(item.collection)

    def take(self, limit: int) -> list[int]:
        """At most `limit` positions that may commit together, in commit order; no way back for them.

        Each must be reported `committed` or `dropped` before its collection yields more.
        """
        batch: list[int] = []
        heads = sorted((line[0], name) for name in self._candidates if (line := self._line(name)))
        self._candidates.clear()
        for _, name in heads:
            for position in self._lines[name]:
                item = self._items.get(position)
                if item is None:
                    continue
                if item.taken or not item.ready or item.after is not None:
                    break
                if len(batch) >= limit:
                    self._candidates.add(name)
                    break
                item.taken = True
                batch.append(position)
        return batch

    def committed(self, position: int) -> None:
        """It has a version now: free what waited for it."""
        for dependent in self._leave(position):
            item = self._items[dependent]
            item.after = None
            self._candidates.add(item.collection)

    def dropped(self, position: int) -> list[int]:
        """It will never commit; it holds nothing back. Returns those logged `after` it: drop them too.

        Until they are dropped they stay blocked.
        """
        return self._leave(position)

    def is_taken(self, position: int) -> bool:
        """Whether its commit is under way, so that it can't be cancelled any more."""
        return self._items[position].taken

    def waits_for(self, position: int) -> int | None:
        """The position that must commit or be dropped before this one may, for display."""
        item = self._items[position]
        head = self._line(item.collection)[0]
        return head if head != position else item.after

    def __contains__(self, position: int) -> bool:
        return position in self._items

    def __len__(self) -> int:
        return len(self._items)

    def _leave(self, position: int) -> list[int]:
        item = self._items.pop(position)
        if self._line(item.collection):
            self._candidates.add(item.collection)
        else:
            del self._lines[item.collection]
            self._candidates.discard(item.collection)
        if item.after in self._dependents:
            self._dependents[item.after].remove(position)
        return self._dependents.pop(position, [])

    def _line(self, collection: str) -> deque[int]:
        """The collection's line with those who left taken off its head."""
        line = self._lines.get(collection, deque())
        while line and line[0] not in self._items:
            line.popleft()
        return line
