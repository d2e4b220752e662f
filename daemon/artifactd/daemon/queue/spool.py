"""The daemon's side of the spool: opening what clients left there without trusting a single name.

The spool holds one directory per submission, named by its id in hex, and drafts named `<uid>-<random>`.
Everything is opened relative to a directory descriptor, by names of one component, without following links;
only regular files of the peer's own uid are read. A path outside the spool is read only for the daemon's own
uid, and only while the file still is what the client saw (`Identity`).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec
import xxhash

from artifactd.protocol.errors import ArtifactFailed, Denied, FileChanged, InvalidRequest
from artifactd.protocol.manifest import BASE, PACK, DraftEntry, Identity, check_order, read_blocks
from artifactd.protocol.messages import SpoolFile, Submit
from artifactd.protocol.names import check_entry_path
from artifactd.protocol.references import check_draft_reference

__all__ = ["SubmissionFiles", "identity_of", "is_passing", "open_directory", "reading"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_NAME = re.compile(rb"[A-Za-z0-9_.\-]{1,128}\Z")
_CHUNK = 1 << 20
_MAX = 1 << 62
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

_decode_block = msgspec.msgpack.Decoder(list[DraftEntry]).decode


def open_directory(spool: Path, name: str, uid: int) -> int:
    """Open a directory of the spool, which must belong to `uid`. The caller closes the descriptor."""
    if not _NAME.match(os.fsencode(name)) or name in (".", ".."):
        raise InvalidRequest(f"{name!r} does not name a spool directory")
    try:
        fd = os.open(spool / name, _DIRECTORY)
    except OSError as error:
        _raise_passing(error)
        raise ArtifactFailed(f"its spool directory cannot be opened: {error.strerror}", subject=name) from error
    if os.fstat(fd).st_uid != uid:
        os.close(fd)
        raise Denied("the spool directory belongs to another user", subject=name)
    return fd


def identity_of(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class SubmissionFiles:
    """What one submission brought: its drafted manifest and its files. All methods block; use from a thread."""

    def __init__(self, spool: Path, uid: int, submit: Submit) -> None:
        self._spool = spool
        self._uid = uid
        self._submit = submit

    def entries(self) -> Iterator[DraftEntry]:
        """The drafted entries, typed and checked, in order; never all in memory when they came as a file.

        Raises `InvalidRequest` when they break a rule, `ArtifactFailed` when the file is not what was sent.
        """
        return check_order(self._blocks())

    def _blocks(self) -> Iterator[DraftEntry]:
        with self._open_manifest() as file:
            for _, body in read_blocks(file, draft=True):
                try:
                    entries = _decode_block(body)
                except msgspec.DecodeError as error:
                    raise InvalidRequest(f"drafted manifest cannot be decoded: {error}") from error
                for entry in entries:
                    if not (0 <= entry.size < _MAX and 0 <= entry.offset < _MAX) or b"\0" in entry.source:
                        raise InvalidRequest("its size, offset or source cannot be", subject=entry.path)
                    _check_origin(entry, self._submit)
                    yield entry

    @contextmanager
    def _open_manifest(self) -> Iterator[BinaryIO]:
        described = self._submit.manifest_file
        if described is None:
            yield BytesIO(self._submit.manifest or b"")
            return
        with open(self._open_spooled(described.name.encode()), "rb") as file:
            _check_file(file, described)
            yield file

    def _open_inline(self, pack: bytes) -> int:
        fd = os.memfd_create("pack", os.MFD_CLOEXEC)
        os.pwrite(fd, pack, 0)
        return fd

    def _open_spooled(self, name: bytes) -> int:
        if not _NAME.match(name) or name in (b".", b".."):
            raise InvalidRequest(f"{name!r} does not name a spool file")
        directory = open_directory(self._spool, self._submit.id.hex(), self._uid)
        try:
            fd = os.open(name, _FILE | os.O_NOFOLLOW, dir_fd=directory)
        except OSError as error:
            _raise_passing(error)
            raise ArtifactFailed(
                f"spool file cannot be opened: {error.strerror}", subject=name.decode()
            ) from error
        finally:
            os.close(directory)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != self._uid:
            os.close(fd)
            raise Denied("not a regular file of the submitting user", subject=name.decode())
        return fd

    def open(self, entry: DraftEntry) -> int:
        """Open the file that holds the entry's bytes; the caller closes it.

        For a file read in place, pages written through a mapping are flushed first, so that such writes show
        in its times, and it is compared with what the client saw; call `check_unchanged` after reading.
        """
        if entry.identity is None and entry.source == PACK and self._submit.pack is not None:
            return self._open_inline(self._submit.pack)
        if entry.identity is None:
            return self._open_spooled(entry.source)
        self._check_in_place(entry)
        try:
            fd = os.open(entry.source, _FILE)
        except OSError as error:
            _raise_passing(error)
            raise FileChanged(f"cannot be opened any more: {error.strerror}", subject=entry.path) from error
        try:
            os.fsync(fd)
            self.check_unchanged(entry, fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _check_in_place(self, entry: DraftEntry) -> None:
        if self._uid != os.geteuid():
            raise Denied("files of another user are never read in place", subject=entry.path)
        if not entry.source.startswith(b"/") or entry.offset or not entry.identity:
            raise InvalidRequest("a file read in place needs an absolute path", subject=entry.path)

    def check_unchanged(self, entry: DraftEntry, fd: int) -> None:
        """Raise `FileChanged` if a file that is read in place is not what the client saw."""
        if entry.identity is not None:
            _compare(entry, os.fstat(fd))

    def stat_in_place(self, entry: DraftEntry) -> os.stat_result:
        """Check a file that is read in place by its path alone: enough when its digest is known already."""
        self._check_in_place(entry)
        try:
            status = os.stat(entry.source)
        except OSError as error:
            raise FileChanged(f"is not there any more: {error.strerror}", subject=entry.path) from error
        _compare(entry, status)
        return status

    def sync(self) -> bool:
        """Make the in-place files durable; return whether there are files in the spool to sync as well.

        A file that was changed is passed over: where it is processed it fails the submission, if it is needed.
        """
        spooled = self._submit.manifest_file is not None
        for entry in self.entries():
            if entry.reference is not None or entry.source == BASE:
                continue
            if entry.identity is None:
                spooled = spooled or entry.source != PACK or self._submit.pack is None
            else:
                with suppress(FileChanged):
                    os.close(self.open(entry))
        return spooled


def _check_origin(entry: DraftEntry, submit: Submit) -> None:
    """Refuse an entry without contents of its own unless it says rightly where it comes from."""
    if entry.reference is not None:
        if entry.source or entry.offset or entry.identity:
            raise InvalidRequest("a reference has no contents", subject=entry.path)
        check_draft_reference(entry.reference)
        if entry.reference.folder:
            check_entry_path(entry.reference.folder)
    elif entry.source == BASE and (entry.offset or entry.identity or submit.base is None):
        raise InvalidRequest("it names no base to take the entry from", subject=entry.path)


@contextmanager
def reading(entry: DraftEntry) -> Iterator[None]:
    """Name the entry in what the kernel says of its file; shortages of the daemon's own pass through."""
    try:
        yield
    except OSError as error:
        _raise_passing(error)
        raise ArtifactFailed(f"cannot be read: {error.strerror or error}", subject=entry.path) from error


def is_passing(error: OSError) -> bool:
    """Whether it says that this process is short of something now, and nothing of the file."""
    return error.errno in _PASSING


def _raise_passing(error: OSError) -> None:
    if is_passing(error):
        raise error


def _compare(entry: DraftEntry, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or identity_of(status) != entry.identity:
        raise FileChanged(
            'was changed after it was logged with policy="immutable"',
            subject=entry.path,
            remedy="log it with the default policy, or do not touch it until the version is committed",
        )


def _check_file(file: BinaryIO, described: SpoolFile) -> None:
    digest = xxhash.xxh3_128()
    size = 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    if size != described.size or digest.digest() != described.xxh3:
        raise ArtifactFailed("the spooled manifest is not what the client wrote", subject=described.name)
    file.seek(0)
