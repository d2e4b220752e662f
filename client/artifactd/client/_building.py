"""What an artifact is made of while it is a draft: files, tables and references are added to it, and sealed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from artifactd.client._arguments import as_path
from artifactd.client._base import Base
from artifactd.client._draft import POLICIES, Draft, Policy, Sealed
from artifactd.client._editing import Editable
from artifactd.client._entries import EntryTable
from artifactd.client._entry import Entry
from artifactd.client._keywords import also_called, ignores
from artifactd.client._metadata import pack_json
from artifactd.client._walk import find_files
from artifactd.protocol.errors import Conflict, EntryNotFound, InvalidRequest
from artifactd.protocol.manifest import BASE, DraftEntry
from artifactd.protocol.names import normalise_entry_path

if TYPE_CHECKING:
    from artifactd.client._link import Link
    from artifactd.client._readable import Readable
    from artifactd.client.handle import LogHandle

__all__ = ["Buildable"]


class Buildable(Editable):
    """Entries under construction. Once it is finalized or logged, adding raises `ArtifactFinalizedError`."""

    def __init__(
        self, name: str, description: str | None, metadata: Mapping[str, Any] | None, incremental: bool
    ) -> None:
        super().__init__(name, description, metadata)
        self._lock = threading.RLock()
        self._incremental = incremental
        self._table = EntryTable()
        self._draft: Draft | None = None
        self._base: Base | None = None
        self._submission: Submission | None = None

    @ignores("is_tmp", "skip_cache")
    @also_called(local_path="path")
    def add_file(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        policy: Policy = "mutable",
        overwrite: bool = False,
    ) -> Entry:
        """Add the content that the file at `path` has now, as `name` (default: its base name).

        `policy`: `"mutable"` takes a snapshot; `"immutable"` reads the file later where it is, and fails the
        artifact with `FileChanged` if it was touched; `"move"` hands the file over, of a link a snapshot and the
        link: what it points to stays.

        The same name with the same content changes nothing. Raises `InvalidRequest` (a `ValueError`) if the
        file is missing or not regular, or the name has other content and `overwrite` is not set; `Denied`,
        `FileChanged`, `OutOfSpace`, `DaemonUnavailable`, `ArtifactFinalizedError`.

        >>> draft.add_file("checkpoint.pt", "weights/last.pt").size
        7
        """
        file = as_path(path)
        target = normalise_entry_path(os.path.basename(file) if name is None else name)
        _check_policy(policy)
        with self._lock:
            draft = self._open_draft()
            self._table.check([target])
            known = self._table.get(target)
            if known is not None:
                if self._same(draft, known, file):
                    return self._drafted(known)
                if not overwrite:
                    raise _exists(target, "choose another name, or pass overwrite=True")
            return self._put(draft, draft.add(target, file, policy))

    @ignores("skip_cache")
    @also_called(local_path="path")
    def add_dir(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        policy: Policy = "mutable",
        merge: bool = False,
    ) -> None:
        """Add every file below the directory `path`, named relative to it, below `name` if given.

        Links are followed. Nothing is removed; entries whose content changed need `merge`. Either all files
        are added or none. Raises as `add_file` does, and `InvalidRequest` for a dangling link.

        >>> draft.add_dir("images", name="train")
        >>> list(draft.entries)
        ['train/cat.png', 'train/dog.png']
        """
        prefix = f"{normalise_entry_path(name)}/" if name else ""
        _check_policy(policy)
        with self._lock:
            draft = self._open_draft()
            found = find_files(as_path(path), prefix)
            self._table.check(file.path for file in found)
            added = []
            for target, file, entry in found:
                known = self._table.get(target)
                if known is not None:
                    if self._same(draft, known, file):
                        continue
                    if not merge:
                        raise _exists(target, "choose another name, or pass merge=True")
                status = entry.stat() if policy == "immutable" else None
                added.append(draft.add(target, entry.path if policy == "move" else file, policy, status))
            for new in added:
                self._put(draft, new)

    @contextmanager
    def new_file(self, name: str, mode: str = "x", encoding: str | None = None) -> Iterator[IO[Any]]:
        """Write a new file: yields a file object that writes straight into the spool.

        `mode` is `x` (a new name) or `w` (may replace), with `b` and `+` if wanted. An exception inside the
        block drops the file. Raises as `add_file` does.

        >>> with draft.new_file("notes.txt") as file:
        ...     characters = file.write("trained on cats")
        >>> draft.entries["notes.txt"].size
        15
        """
        if mode.strip("bt+") not in ("x", "w"):
            raise InvalidRequest(f"mode {mode!r} does not write a new file", remedy="use 'x', 'w', 'xb' or 'wb'")
        target = normalise_entry_path(name)
        with self._lock:
            draft = self._open_draft()
            self._check_new(target, replace="w" in mode)
            opened = draft.new_file(mode, encoding)
        with opened as (file, stored):
            yield file
        with self._lock:
            self._require_open()
            self._check_new(target, replace="w" in mode)
            self._put(draft, draft.written(target, stored))

    def add_reference(
        self, uri: str, name: str | None = None, checksum: bool = True, max_objects: int = 10_000
    ) -> list[Entry]:
        """Track what is at `uri` without copying it; returns the new entries.

        `http`, `https`, `s3` and `gs` are looked up by the daemon while it works on the logged artifact, or when
        an entry's `size` or `digest` is asked for; what it finds then (ETag, version, generation, size) is what
        the version records. `file` is read here and now. A prefix or a directory stands for every object below it,
        named relative to it, in the folder `name` if given; a single object is called `name`, by default the last
        component of the URI. Without `checksum` nothing is looked up: only the URI is recorded, of files also
        the size. Any other scheme needs a `name` and is recorded as it is.

        More than `max_objects` objects are an error: here for a directory, of the handle for a prefix. The same
        name with the same reference changes nothing. Raises `InvalidRequest` (a `ValueError`), also for a URI with
        a user or password, `Denied`, `FileChanged`, `ArtifactFinalizedError`.

        >>> import os
        >>> (entry,) = draft.add_reference(f"file://{os.path.abspath('checkpoint.pt')}")
        >>> entry.path, entry.size
        ('checkpoint.pt', 7)
        """
        from artifactd.client._references import draft_references

        self._require_open()
        new = draft_references(uri, name, checksum, max_objects)
        with self._lock:
            self._require_open()
            self._add_references(new)
            return [self._drafted(entry) for entry in new]

    def remove(self, path: str | Entry) -> None:
        """Drop a file, or everything below a directory.

        Raises `EntryNotFound`, a `FileNotFoundError`, if there is neither.

        >>> draft.add_dir("images")
        >>> draft.remove("cat.png")
        >>> list(draft.entries)
        ['dog.png']
        """
        target = normalise_entry_path(path.path if isinstance(path, Entry) else path)
        with self._lock:
            self._require_open()
            dropped = self._table.remove(target)
            if not dropped:
                raise EntryNotFound(
                    f"the artifact has no entry {target!r}", subject=self._name, remedy="see .manifest.entries"
                )
            if self._draft is not None:
                for entry in dropped:
                    self._draft.drop(entry)

    def finalize(self) -> None:
        """Refuse further changes with `ArtifactFinalizedError`. Logging does this too.

        >>> draft.finalize()
        >>> draft.add_file("checkpoint.pt")
        Traceback (most recent call last):
        artifactd.protocol.errors.ArtifactFinalizedError: model: the artifact is finalized ...
        """
        self._finalized = True

    # How the client logs it.

    @property
    def _wants_base(self) -> bool:
        return self._incremental and self._submission is None

    def _continue(self, base: Readable) -> None:
        """Add every entry of `base` that has none here: the daemon takes it from there, no contents move."""
        found = Base.of(base)
        with self._lock:
            self._base = found
            missing = [entry for entry in found.drafted() if self._table.get(entry.path) is None]
            self._table.check(entry.path for entry in missing)
            for entry in missing:
                self._table.put(entry)

    def _add_references(self, new: list[DraftEntry]) -> None:
        """All of them or none."""
        self._table.check(entry.path for entry in new)
        for entry in new:
            if self._table.get(entry.path) not in (None, entry):
                raise _exists(entry.path, "choose another name")
        for entry in new:
            self._table.put(entry)

    def _drafted(self, entry: DraftEntry) -> Entry:
        if self._base is not None and entry.source == BASE:
            return self._base.entry(entry.path)
        if entry.reference is None:
            return Entry(entry.path, entry.size)
        from artifactd.client._pending import PendingEntry
        from artifactd.client._references import as_entry, resolve

        if entry.reference.digest is None:
            return PendingEntry(entry, lambda: resolve(self, entry))
        return as_entry(entry)

    def _same(self, draft: Draft, known: DraftEntry, file: str) -> bool:
        """Whether `file` has the contents of a drafted entry now."""
        if self._base is not None and known.source == BASE:
            return self._base.same(known.path, file)
        return known.reference is None and draft.same(known, file)

    @property
    def _features(self) -> list[str]:
        """What a daemon must know to take the artifact."""
        needed = {"ttl": self._ttl is not None, "base": self._base is not None, "references": self._table.refers}
        return [feature for feature, is_needed in needed.items() if is_needed]

    def _seal(self, link: Link) -> Submission:
        """Finish the draft for the daemon behind `link`; the same submission each time it is called."""
        with self._lock:
            if self._submission is None:
                metadata = self._sent_metadata = pack_json(self._metadata, "metadata")
                self.finalize()
                welcome = link.welcome()
                if self._draft is None:
                    self._draft = Draft(welcome)
                elif self._draft.spool != welcome.spool:
                    self._draft.move_to(welcome)
                id = os.urandom(16)
                sealed = self._draft.seal(id.hex(), self._table.sorted())
                self._submission = Submission(
                    id, metadata, len(self._table), self._table.size, sealed, self._draft.spool
                )
            elif self._submission.spool != link.welcome().spool:
                raise Conflict(
                    "the artifact was sent to another daemon, which may have accepted it",
                    subject=self._name,
                    remedy="log it with the same client again",
                )
            return self._submission

    def _accepted(self, handle: LogHandle) -> None:
        """The daemon has it. A run of many logs must not keep every list of files in memory."""
        self._handle = handle
        self._table = EntryTable()
        if self._submission is not None:
            self._submission = self._submission._replace(sealed=None)
        self._base = None
        if self._draft is not None:
            self._draft.release()
            self._draft = None

    def _open_drafted(self, path: str) -> tuple[int, int, int] | None:
        """A descriptor, which the caller owns, with offset and size of a drafted entry; None once it is sent."""
        with self._lock:
            entry = self._table.get(path)
            if entry is None or self._draft is None or entry.reference is not None or entry.source == BASE:
                return None
            return self._draft.open(entry), entry.offset, entry.size

    def _open_draft(self) -> Draft:
        self._require_open()
        if self._draft is None:
            from artifactd.client._defaults import default_client

            self._draft = Draft((self._link or default_client().link).welcome())
        return self._draft

    def _check_new(self, target: str, *, replace: bool) -> None:
        self._table.check([target])
        if not replace and self._table.get(target) is not None:
            raise _exists(target, "choose another name, or pass mode='w'")

    def _put(self, draft: Draft, entry: DraftEntry) -> Entry:
        replaced = self._table.put(entry)
        if replaced is not None:
            draft.drop(replaced)
        return Entry(entry.path, entry.size)


class Submission(NamedTuple):
    """A sealed draft: what each attempt to submit it has in common."""

    id: bytes
    metadata: str
    files: int
    size: int
    sealed: Sealed | None
    spool: str


def _check_policy(policy: str) -> None:
    if policy not in POLICIES:
        raise InvalidRequest(f"policy {policy!r} is not known", remedy=f"use one of {', '.join(POLICIES)}")


def _exists(target: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(
        "an entry with this name and other content was added already",
        subject=target,
        remedy=remedy,
    )
