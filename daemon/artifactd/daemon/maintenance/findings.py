"""What a check of the catalog against the store finds: plain values, and decisions about them. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from artifactd.daemon.catalog.records import BlobLocation
from artifactd.daemon.stores.base import ObjectInfo

__all__ = ["MAX_FINDINGS", "MAX_VERSIONS", "Finding", "Findings", "Kind", "Problem", "about_manifest", "judge"]

MAX_FINDINGS = 10_000
"""So many are kept; those beyond are only counted."""
MAX_VERSIONS = 10
"""So many of the versions that a finding affects are named."""


class Kind(StrEnum):
    """What is wrong with a blob, or with a manifest, which is a blob as well."""

    MISSING_BLOB = "missing blob"
    """The catalog has it, the store has no object for it."""
    WRONG_SIZE = "wrong size"
    """The object is longer or shorter than the catalog says."""
    CORRUPT_BLOB = "corrupt blob"
    """The object has the right size and other bytes."""
    UNREADABLE_BLOB = "unreadable blob"
    """The store has the object, and does not give its bytes."""
    MISSING_MANIFEST = "missing manifest"
    CORRUPT_MANIFEST = "corrupt manifest"
    """Its size or its bytes are not what the catalog says, or they make no manifest."""
    UNREADABLE_MANIFEST = "unreadable manifest"
    UNREGISTERED_BLOB = "unregistered blob"
    """A version needs it, and the catalog does not have it."""


_ABOUT_MANIFEST = {
    Kind.MISSING_BLOB: Kind.MISSING_MANIFEST,
    Kind.WRONG_SIZE: Kind.CORRUPT_MANIFEST,
    Kind.CORRUPT_BLOB: Kind.CORRUPT_MANIFEST,
    Kind.UNREADABLE_BLOB: Kind.UNREADABLE_MANIFEST,
}


class Problem(NamedTuple):
    """Something wrong, and what exactly, for people."""

    kind: Kind
    found: str


def judge(location: BlobLocation, info: ObjectInfo | None) -> Problem | None:
    """Compare where the catalog has a blob with what the store has there."""
    if info is None:
        return Problem(Kind.MISSING_BLOB, "there is no object")
    expected = location.offset + location.length
    if info.size != expected:
        return Problem(Kind.WRONG_SIZE, f"the object has {info.size} bytes, not {expected}")
    return None


def about_manifest(problem: Problem) -> Problem:
    """The same of a blob that is a manifest."""
    return problem._replace(kind=_ABOUT_MANIFEST.get(problem.kind, problem.kind))


@dataclass(slots=True)
class Finding:
    """One blob that is not as it should be. `versions` are addresses of some live versions that need it."""

    kind: Kind
    entity: str
    digest: str
    key: str
    found: str
    versions: list[str] = field(default_factory=list)
    more_versions: bool = False

    def affects(self, address: str) -> None:
        if address in self.versions:
            return
        if len(self.versions) < MAX_VERSIONS:
            self.versions.append(address)
        else:
            self.more_versions = True


class Findings:
    """At most `MAX_FINDINGS` of them, one for each blob of an entity, and the count of all."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Finding]] = {}
        self._count: Counter[Kind] = Counter()
        self._room = MAX_FINDINGS

    @property
    def counts(self) -> dict[Kind, int]:
        """How many there are of each kind, with zeros."""
        return {kind: self._count[kind] for kind in Kind}

    @property
    def total(self) -> int:
        return self._count.total()

    @property
    def kept(self) -> Sequence[Finding]:
        """In the order in which they were found, entity by entity."""
        return [finding for findings in self._kept.values() for finding in findings.values()]

    @property
    def more(self) -> bool:
        """Whether there are more than were kept."""
        return self.total > MAX_FINDINGS - self._room

    def add(self, problem: Problem, entity: str, digest: str, key: str) -> None:
        """Take a finding; `key` is where the object is, or would be.

        What was found about the same blob before is replaced: that it is a manifest says more.
        """
        findings = self._kept.setdefault(entity, {})
        known = findings.get(digest)
        if known is not None:
            self._count[known.kind] -= 1
            known.kind, known.found = problem
        elif self._room:
            self._room -= 1
            findings[digest] = Finding(problem.kind, entity, digest, key, problem.found)
        self._count[problem.kind] += 1

    def affect(self, entity: str, digests: Set[str], address: str) -> None:
        """The version at `address` needs the blobs `digests`: note it with the findings about them."""
        findings = self._kept.get(entity, {})
        for digest in findings.keys() & digests:
            findings[digest].affects(address)
