"""Carries files of a version from the node into a directory: from its cache, else through a landing directory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from artifactd.client._landing import Landing
from artifactd.client._link import Link
from artifactd.client._node_cache import NodeCache
from artifactd.client._referenced import copy_local, is_certain, is_local
from artifactd.client._target import Target
from artifactd.protocol.errors import CorruptDownload, OutOfSpace
from artifactd.protocol.manifest import Entry, landing_name
from artifactd.protocol.messages import Fetch, Version

__all__ = ["Errand", "Porter"]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Errand:
    """Files of `version` are wanted below the directory `root`.

    `linked` as in `Target`'s `read_only`. With `skip_cache` every file comes from the store.
    """

    link: Link
    version: Version
    root: str
    linked: bool = False
    skip_cache: bool = False


class Porter:
    """Works for one thread, in a `with` block. `check` is called often and may raise to end the work."""

    def __init__(self, errand: Errand, check: Callable[[], None]) -> None:
        self._errand = errand
        self._check = check
        self._cache = NodeCache("" if errand.skip_cache else errand.link.welcome().cache)
        self._target = Target(errand.root, read_only=errand.linked)
        self._landing: Landing | None = None
        self._mode = 0

    def __enter__(self) -> Porter:
        return self

    def __exit__(self, *_: object) -> None:
        self._target.close()
        if self._landing is not None:
            self._landing.discard()

    def bring(self, batch: Sequence[Entry]) -> None:
        """Put those files in place that are not there and intact. Raises as `Artifact.download` does."""
        if missing := self._carry(batch):
            self._fetch(missing)

    def _carry(self, batch: Sequence[Entry]) -> list[Entry]:
        """Put in place what the cache holds; returns what it does not."""
        missing = []
        for entry in batch:
            self._check()
            if entry.reference is not None:
                if not self._is_there_by_reference(entry):
                    missing.append(entry)
            elif not self._target.has(entry) and not self._from_cache(entry):
                missing.append(entry)
        return missing

    def _is_there_by_reference(self, entry: Entry) -> bool:
        if is_certain(entry) and self._target.has(entry):
            return True
        if is_local(entry):
            copy_local(entry, self._target)
            return True
        return False

    def _from_cache(self, entry: Entry) -> bool:
        source = self._cache.open(entry.digest)
        if source is None:
            return False
        try:
            if self._target.put(entry, source):
                return True
        finally:
            os.close(source)
        self._cache.drop(entry.digest)
        return False

    def _fetch(self, entries: Sequence[Entry]) -> None:
        if self._landing is None:
            self._landing = Landing(self._errand.link)
            self._mode = self._landing.new_file_mode()
        try:
            verified = self._ask(self._landing, entries)
        except OutOfSpace:
            if len(entries) == 1:
                raise
            # What cannot lie on the daemon's disk at once may do so in turn.
            self._landing.empty()
            middle = len(entries) // 2
            self._fetch(entries[:middle])
            self._fetch(entries[middle:])
            return
        if damaged := self._unload(self._landing, entries, verified):
            self._ask(self._landing, damaged)
            if still := self._unload(self._landing, damaged, frozenset()):
                raise CorruptDownload(
                    "what arrived does not have the digest of the version",
                    subject=still[0].path,
                    remedy="download again; if it happens again, the node's memory or disk is damaged",
                )

    def _ask(self, landing: Landing, entries: Sequence[Entry]) -> frozenset[str]:
        version = self._errand.version
        request = Fetch(
            entity=version.entity,
            project=version.project,
            name=version.name,
            version=version.version,
            landing=landing.name,
            paths=tuple(entry.path for entry in entries),
            skip_cache=self._errand.skip_cache,
        )
        return landing.fetch(request, self._check)

    def _unload(self, landing: Landing, entries: Sequence[Entry], verified: frozenset[str]) -> list[Entry]:
        """Put what has landed in place, and out of the landing directory; returns the damaged and the missing.

        `verified` are the names of those that hold what they should already.
        """
        uses = Counter(landing_name(entry) for entry in entries)
        damaged = []
        for entry in entries:
            self._check()
            name = landing_name(entry)
            uses[name] -= 1
            last = not uses[name]
            if not self._place(landing, entry, name, last=last, verified=name in verified):
                damaged.append(entry)
                if entry.reference is None:
                    self._cache.drop(entry.digest)
            if last:
                with suppress(FileNotFoundError):
                    landing.unlink(name)
        return damaged

    def _place(self, landing: Landing, entry: Entry, blob: str, *, last: bool, verified: bool) -> bool:
        try:
            source = os.open(blob, _READ, dir_fd=landing.fd)
        except FileNotFoundError:
            return False
        try:
            if last and _is_ours(source):
                return self._target.take(entry, source, blob, landing.fd, self._mode, verified=verified)
            return self._target.put(entry, source, verified=verified)
        finally:
            os.close(source)


def _is_ours(source: int) -> bool:
    # A second link is the cache's, whose files nobody may write to.
    status = os.fstat(source)
    return status.st_nlink == 1 and status.st_uid == os.geteuid()
