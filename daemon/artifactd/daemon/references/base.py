"""What every handler of a scheme can do. Errors are the stores': `StoreError`, whose kind decides on a retry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from artifactd.protocol.errors import ReferenceChanged
from artifactd.protocol.manifest import Entry
from artifactd.protocol.messages import FoundObject

__all__ = ["Asker", "Handler", "Observed", "changed", "check_unchanged"]


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf something is looked up."""

    uid: int
    entity: str

    @property
    def is_own(self) -> bool:
        """Whether it is the daemon's own user, who can do all this without the daemon."""
        return self.uid == os.geteuid()


@dataclass(frozen=True, slots=True)
class Observed:
    """What an object that is about to be fetched turns out to be; `size` None where its server does not say."""

    digest: str
    size: int | None


class Handler(Protocol):
    """All methods raise `StoreError`, and `Denied` for what the asker may not have."""

    async def look_up(self, uri: str, asker: Asker) -> FoundObject | None:
        """The very object at `uri`; None where that can only be a prefix, or there is none."""

    async def page(self, uri: str, token: str, asker: Asker) -> tuple[list[FoundObject], str]:
        """Objects below `uri`, from `token` on (empty at first), and the token of the next page or nothing."""

    async def fetch(self, entry: Entry, fd: int, *, limit: int, asker: Asker) -> int:
        """Write the state of the object that `entry` recorded to `fd`; returns its bytes.

        Raises `ReferenceChanged` if it is not that any more.
        """


def check_unchanged(entry: Entry, observed: Observed) -> None:
    """Raise `ReferenceChanged` unless what is there now is what was recorded, as far as that is known."""
    if entry.digest and observed.digest != entry.digest:
        raise changed(entry, f"checksum {entry.digest}", observed.digest or "no checksum")
    knows_size = bool(entry.digest) or entry.size > 0
    if knows_size and observed.size is not None and observed.size != entry.size:
        raise changed(entry, f"{entry.size} bytes", f"{observed.size} bytes")


def changed(entry: Entry, recorded: str, found: str) -> ReferenceChanged:
    """The error for an entry whose reference points to something else now."""
    assert entry.reference is not None
    return ReferenceChanged(
        f"{entry.reference.uri} has changed: the version recorded {recorded}, now it has {found}",
        subject=entry.path,
        remedy="bring the old contents back, or log the reference again as a new version",
    )
