"""A drafted reference that nobody has looked up yet."""

from __future__ import annotations

from collections.abc import Callable

from artifactd.client._entry import Entry
from artifactd.protocol.manifest import DraftEntry, Reference

__all__ = ["PendingEntry"]


class PendingEntry(Entry):
    """Asking for `size` or `digest` has the daemon look the reference up at once, and drafts what it found.

    Of a prefix, `size` is the sum of its objects' and `digest` is empty. Raises what the daemon says.
    """

    __slots__ = ("_answer", "_look_up")

    _answer: tuple[int, str] | None
    _look_up: Callable[[], tuple[int, str]]

    def __init__(self, drafted: DraftEntry, look_up: Callable[[], tuple[int, str]]) -> None:
        reference = drafted.reference
        assert reference is not None
        self._set("path", drafted.path)
        self._set("_artifact", None)
        self._set("_reference", Reference(reference.uri, reference.extra))
        self._set("_answer", None)
        self._set("_look_up", look_up)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # entries are frozen

    # What follows must not ask: entries are compared and printed on the way.

    def __repr__(self) -> str:
        return f"PendingEntry(path={self.path!r}, ref={self.ref!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PendingEntry) and (self.path, self.ref) == (other.path, other.ref)

    def __hash__(self) -> int:
        return hash((self.path, self.ref))

    @property
    def size(self) -> int:
        return self._asked()[0]

    @property
    def digest(self) -> str:
        return self._asked()[1]

    def _asked(self) -> tuple[int, str]:
        if self._answer is None:
            self._set("_answer", self._look_up())
        assert self._answer is not None
        return self._answer
