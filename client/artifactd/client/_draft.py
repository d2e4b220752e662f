"""The contents of an artifact under construction, each file as it was when it was added."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import IO, Any, Literal, NamedTuple

from artifactd.client._snapshot import (
    copy_bytes,
    copy_file,
    identity,
    open_regular,
    read_small,
    same_bytes,
)
from artifactd.client._spool import SpoolDirectory
from artifactd.protocol.manifest import BASE, PACK, DraftEntry, pack_draft
from artifactd.protocol.messages import SpoolFile, Welcome

__all__ = ["POLICIES", "Draft", "Policy"]

Policy = Literal["mutable", "immutable", "move"]
POLICIES = ("mutable", "immutable", "move")

_MANIFEST = "manifest"
_PACKED = 64 << 10
"""Files up to this size share one spool file: creating a file costs more than copying it."""
_PACK_BUFFER = 1 << 20
_NOT_ALONE = frozenset({PACK, BASE, b""})
"""Sources that are no file of the entry's own; a reference has none."""


class Sealed(NamedTuple):
    """A finished draft: its manifest, inside the message or as a file, and the pack if it travels inside too."""

    manifest: bytes | None
    manifest_file: SpoolFile | None
    pack: bytes | None


class Draft:
    """Snapshots of files, kept in the daemon's spool; the directory is made when the first byte needs it.

    Not locked: one thread at a time. `OutOfSpace` leaves what was added before as it was.
    """

    def __init__(self, welcome: Welcome) -> None:
        self._welcome = welcome
        self._directory: SpoolDirectory | None = None
        self._files = 0
        self._buffer = bytearray()
        self._pack_size = 0
        """Bytes of the pack, with what is still in the buffer."""

    @property
    def spool(self) -> str:
        """The spool that the draft belongs to."""
        return self._welcome.spool

    @property
    def directory(self) -> SpoolDirectory:
        if self._directory is None:
            self._directory = SpoolDirectory(self._welcome)
        self._directory.check_owner()
        return self._directory

    def add(self, path: str, file: str, policy: Policy, found: os.stat_result | None = None) -> DraftEntry:
        """Take `file` as it is now, to be stored as `path`.

        `found` is what `stat` said of it, if the caller asked already; `file` must be a real path then.

        Raises `InvalidRequest`, `Denied`, `FileChanged`, `OutOfSpace`.
        """
        if policy == "immutable" and self._welcome.in_place:
            return _in_place(path, file, found)
        if policy == "move":
            return self._move(path, file)
        source, status = open_regular(file)
        try:
            if status.st_size > _PACKED:
                return self._copy(path, source, status, file)
            data = read_small(source, status, file)
        finally:
            os.close(source)
        return DraftEntry(path, len(data), PACK, self._pack(data), None)

    @contextmanager
    def new_file(self, mode: str, encoding: str | None) -> Iterator[tuple[IO[Any], str]]:
        """Open a new spool file for the user to write; yields it and its name. It is closed at the end."""
        directory, name = self.directory, self._next_name()
        directory.require_space(0)
        with (
            directory.new_file(name) as fd,
            open(fd, mode.replace("x", "w"), encoding=encoding, closefd=False) as file,
        ):
            yield file, name

    def written(self, path: str, name: str) -> DraftEntry:
        """The entry of a file that `new_file` made."""
        size = os.stat(name, dir_fd=self.directory.fd).st_size
        return DraftEntry(path, size, name.encode(), 0, None)

    def same(self, entry: DraftEntry, file: str) -> bool:
        """Whether `file` has the contents of `entry` now."""
        other, status = open_regular(file)
        try:
            if status.st_size != entry.size:
                return False
            stored = self.open(entry)
            try:
                return same_bytes(stored, entry.offset, other, entry.size)
            finally:
                os.close(stored)
        finally:
            os.close(other)

    def drop(self, entry: DraftEntry) -> None:
        """Free what only this entry needed."""
        if entry.identity is None and entry.source not in _NOT_ALONE:
            self.directory.unlink(entry.source.decode())

    def seal(self, name: str, entries: list[DraftEntry]) -> Sealed:
        """Finish the files and rename the directory, if there is one, to `name`."""
        pack = None
        if self._pack_size == len(self._buffer) <= self._welcome.inline_pack:
            pack = bytes(self._buffer)
            self._buffer.clear()
        self._flush()
        manifest, file = self._write_manifest(entries)
        if self._directory is not None:
            self.directory.hand_over(name)
        return Sealed(manifest, file, pack)

    def release(self) -> None:
        """The daemon has accepted the submission: the directory is its own now."""
        if self._directory is not None:
            self._directory.release()

    def move_to(self, welcome: Welcome) -> None:
        """Carry an unsealed draft over to the spool of another daemon."""
        self._flush()
        source, self._welcome, self._directory = self._directory, welcome, None
        if source is None:
            return
        source.check_owner()
        for name in os.listdir(source.fd):
            old = source.open(name)
            try:
                size = os.fstat(old).st_size
                self.directory.require_space(size)
                with self.directory.new_file(name) as new:
                    copy_bytes(old, new, size)
            finally:
                os.close(old)
        source.discard()

    def _next_name(self) -> str:
        self._files += 1
        return str(self._files)

    def _copy(self, path: str, source: int, status: os.stat_result, file: str) -> DraftEntry:
        directory, name = self.directory, self._next_name()
        directory.require_space(status.st_size)
        with directory.new_file(name) as target:
            size = copy_file(source, status, target, file)
        return DraftEntry(path, size, name.encode(), 0, None)

    def _move(self, path: str, file: str) -> DraftEntry:
        source, status = open_regular(file)
        os.close(source)
        if os.path.islink(file):
            # Taking its target away would leave it, and others like it, dangling.
            entry = self.add(path, file, "mutable")
            os.unlink(file)
            return entry
        real = os.path.realpath(file)
        # A second hard link could still change what was moved, and the daemon takes only files of this user.
        if status.st_nlink == 1 and status.st_uid == os.geteuid() and status.st_dev == self.directory.device:
            name = self._next_name()
            try:
                os.rename(real, name, dst_dir_fd=self.directory.fd)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            else:
                moved = os.stat(name, dir_fd=self.directory.fd, follow_symlinks=False)
                return DraftEntry(path, moved.st_size, name.encode(), 0, None)
        entry = self.add(path, real, "mutable")
        os.unlink(real)
        return entry

    def _pack(self, data: bytes) -> int:
        offset = self._pack_size
        self._buffer += data
        self._pack_size += len(data)
        if len(self._buffer) >= _PACK_BUFFER:
            self._flush()
        return offset

    def _flush(self) -> None:
        """Write the buffer to the end of the pack. What does not fit stays in the buffer."""
        if not self._buffer:
            return
        directory = self.directory
        directory.require_space(len(self._buffer))
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        start = self._pack_size - len(self._buffer)
        with directory.writing():
            fd = os.open(PACK.decode(), flags, 0o600, dir_fd=directory.fd)
            try:
                with memoryview(self._buffer) as view:
                    done = 0
                    while done < len(view):
                        done += os.pwrite(fd, view[done:], start + done)
            finally:
                os.close(fd)
        self._buffer.clear()

    def open(self, entry: DraftEntry) -> int:
        """Open the file that has the entry's contents, at its offset; the caller owns the descriptor."""
        if entry.identity is not None:
            return open_regular(os.fsdecode(entry.source))[0]
        self._flush()
        return self.directory.open(entry.source.decode())

    def _write_manifest(self, entries: list[DraftEntry]) -> tuple[bytes | None, SpoolFile | None]:
        head = bytearray()
        pieces = pack_draft(entries)
        for piece in pieces:
            head += piece
            if len(head) > self._welcome.inline_manifest:
                break
        else:
            return bytes(head), None

        from xxhash import xxh3_128

        digest, size = xxh3_128(), 0
        with self.directory.new_file(_MANIFEST) as fd, open(fd, "wb", closefd=False) as file:
            for piece in chain((bytes(head),), pieces):
                self.directory.require_space(len(piece))
                digest.update(piece)
                size += file.write(piece)
        return None, SpoolFile(name=_MANIFEST, size=size, xxh3=digest.digest())


def _in_place(path: str, file: str, found: os.stat_result | None) -> DraftEntry:
    if found is None:
        file = os.path.realpath(file)
        fd, found = open_regular(file)
        os.close(fd)
    return DraftEntry(path, found.st_size, os.fsencode(file), 0, identity(found))
