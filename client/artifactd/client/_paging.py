"""`Pages`: a long list that is fetched page by page, as far as it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

__all__ = ["Page", "Pages"]

Item = TypeVar("Item", covariant=True)


class Page(Protocol):
    """A reply that holds a page: the raw items, whether there are more, and how many in all if it is the first."""

    @property
    def items(self) -> tuple[Any, ...]: ...
    @property
    def more(self) -> bool: ...
    @property
    def total(self) -> int | None: ...


class Pages(Sequence[Item], Generic[Item]):
    """Iterate it, index it, or ask its `len`, which costs one page. What was fetched is kept and not asked again.

    `next` gives one item after the other; a loop or `iter` begins at the first, whatever `next` has given.
    Fetching raises what the daemon refuses, and `DaemonUnavailable`. For one thread at a time.

    >>> versions = api.artifacts("dataset", "images", per_page=10)
    >>> len(versions), versions[0].version, [version.version for version in versions]
    (1, 'v0', ['v0'])
    """

    def __init__(self, fetch: Callable[[Any], Page], make: Callable[[Any], Item]) -> None:
        """`fetch` gets the page after a raw item, or the first after None; `make` is called on each raw item."""
        self._fetch = fetch
        self._make = make
        self._items: list[Item] = []
        self._last: Any = None
        self._total: int | None = None
        self._more = True
        self._given = 0

    def __repr__(self) -> str:
        return f"<Pages: {len(self._items)} fetched{', and more' if self._more else ''}>"

    def __len__(self) -> int:
        """How many there were when the first page was fetched; once all are fetched, how many those are.

        >>> len(api.runs("bikes"))
        1
        """
        if self._total is None:
            self._load(1)
        return len(self._items) if not self._more or self._total is None else self._total

    def __iter__(self) -> Iterator[Item]:
        index = 0
        while self._load(index + 1):
            yield self._items[index]
            index += 1

    def __next__(self) -> Item:
        """The first item, and the one after it with each further call.

        >>> next(api.runs("bikes")).job_type
        'train'
        """
        if not self._load(self._given + 1):
            raise StopIteration
        self._given += 1
        return self._items[self._given - 1]

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        stop = index.stop if isinstance(index, slice) else index + 1
        start = index.start or 0 if isinstance(index, slice) else index
        self._load(None if stop is None or stop < 0 or start < 0 else stop)
        return self._items[index]

    def _load(self, count: int | None) -> bool:
        """Fetch until there are `count`, or all; says whether there are `count`."""
        while self._more and (count is None or len(self._items) < count):
            page = self._fetch(self._last)
            self._items += [self._make(item) for item in page.items]
            self._more = page.more and bool(page.items)
            if page.items:
                self._last = page.items[-1]
            if page.total is not None:
                self._total = page.total
        return count is not None and len(self._items) >= count
