"""Manifests: the sorted list of an artifact's entries, as drafted by a client and as committed.

Both forms share one container, so that a million entries are never in memory at once:

    magic line | block | block | …        block := u32 length, u32 length of first path, first path, body

`body` is a MessagePack array of at most `BLOCK_ENTRIES` entries, each an array; paths ascend strictly by
their UTF-8 bytes over the whole file. The first path beside each block lets a reader skip to a path.
An entry of a stored file has three elements; that of a reference has a fourth, the `Reference`.

The committed form is canonical: blocks are full but for the last and MessagePack integers are minimal, so
equal entries are equal bytes. The version digest is the BLAKE3 of those bytes, and the manifest is stored
under it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple, TypeVar

import msgpack
from blake3 import blake3

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.names import check_entry_path

__all__ = [
    "BASE",
    "BLOCK_ENTRIES",
    "DIGEST_ALGORITHM",
    "PACK",
    "DraftEntry",
    "DraftReference",
    "Entry",
    "Identity",
    "Reference",
    "check_order",
    "digest_hex",
    "digest_of",
    "find_entry",
    "landing_name",
    "pack_draft",
    "pack_manifest",
    "read_blocks",
    "read_draft",
    "read_manifest",
]

DIGEST_ALGORITHM = "blake3"
PACK = b"pack"
"""The source that small files of a draft share: a spool file, or bytes inside the submission itself."""
BASE = b"base"
"""The source of what a draft has in common with the version it was made from: nothing travels."""
BLOCK_ENTRIES = 10_000
MAX_BLOCK_BYTES = 64 << 20

_MANIFEST_MAGIC = b"artifactd manifest 1\n"
_DRAFT_MAGIC = b"artifactd draft 1\n"
_DIGEST = re.compile(rf"{DIGEST_ALGORITHM}:([0-9a-f]{{64}})\Z")
_BLOCK = struct.Struct(">II")


class Identity(NamedTuple):
    """What `fstat` says of a file that is read in place; any difference later means it was changed."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Reference(NamedTuple):
    """Contents that are tracked where they are: `extra` tells which state of them was recorded."""

    uri: str
    extra: tuple[tuple[str, str], ...]
    """Names and values, by ascending name: `etag`, `versionId`, `generation`, …"""


class DraftReference(NamedTuple):
    """A reference as the client hands it over."""

    uri: str
    digest: str | None
    """`algorithm:value`, or empty where no checksum was wanted; None if the daemon is to look it up."""
    extra: tuple[tuple[str, str], ...]
    limit: int
    """How many objects a prefix may stand for."""
    folder: str = ""
    """Where a prefix's objects go: an entry path, or empty for the top of the artifact."""


class DraftEntry(NamedTuple):
    """One file as the client hands it over, not hashed yet.

    With `identity` None, `source` is the name of a file in the submission's spool directory and the contents
    are the `size` bytes at `offset` (small files share a file). Else `source` is an absolute path, read in
    place, and must still be what `identity` says. With a `reference` there are no contents, and `source` is empty;
    with `BASE` as source all else is as the base has it.
    """

    path: str
    size: int
    source: bytes
    offset: int
    identity: Identity | None
    reference: DraftReference | None = None


class Entry(NamedTuple):
    """One entry of a committed version, of `size` bytes: a stored file, or a reference.

    `digest` is `algorithm:hex`. A reference's is the checksum that its scheme offers, `algorithm:value`, or empty;
    its size is 0 where nobody knows it.
    """

    path: str
    digest: str
    size: int
    reference: Reference | None = None


AnyEntry = TypeVar("AnyEntry", Entry, DraftEntry)


def digest_of(raw: bytes) -> str:
    """Write a raw BLAKE3 digest with its algorithm."""
    return f"{DIGEST_ALGORITHM}:{raw.hex()}"


def digest_hex(digest: str) -> str:
    """The hex part of a digest; refuses one that is not ours."""
    match = _DIGEST.match(digest)
    if match is None:
        raise InvalidRequest(f"digest {digest[:100]!r} is not a {DIGEST_ALGORITHM} digest")
    return match[1]


def landing_name(entry: Entry) -> str:
    """What the file with an entry's contents is called while it is on its way to who asked for it."""
    if entry.reference is None:
        return digest_hex(entry.digest)
    return blake3(msgpack.packb((entry.digest, entry.size, entry.reference))).hexdigest()


def pack_manifest(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Encode entries, sorted by path, as the canonical manifest; yields the file piece by piece."""
    yield _MANIFEST_MAGIC
    yield from _pack(entries)


def pack_draft(entries: Iterable[DraftEntry]) -> Iterator[bytes]:
    """Encode drafted entries, sorted by path; yields the file piece by piece."""
    yield _DRAFT_MAGIC
    yield from _pack(entries)


def _pack(entries: Iterable[Entry] | Iterable[DraftEntry]) -> Iterator[bytes]:
    rest: Iterator[Entry | DraftEntry] = iter(entries)
    while block := list(islice(rest, BLOCK_ENTRIES)):
        first = block[0].path.encode()
        # What has no reference is written as before there were any: equal entries stay equal bytes.
        body = msgpack.packb([entry[:-1] if entry.reference is None else entry for entry in block])
        yield _BLOCK.pack(len(body), len(first)) + first + body


def read_manifest(file: BinaryIO) -> Iterator[Entry]:
    """Entries of a committed manifest, checked: paths by the rules and ascending, digests well-formed."""

    def entries() -> Iterator[Entry]:
        for _, body in read_blocks(file, draft=False):
            yield from _unpack(body, _entry)

    return check_order(entries())


def find_entry(file: BinaryIO, path: str) -> Entry | None:
    """The entry at `path` of a committed manifest. Only the block that can hold it is decoded."""
    wanted, body = path.encode(), b""
    for first, block in read_blocks(file, draft=False):
        if first.encode() > wanted:
            break
        body = block
    return next((entry for entry in _unpack(body, _entry) if entry.path == path), None) if body else None


def read_draft(file: BinaryIO) -> Iterator[DraftEntry]:
    """Entries of a drafted manifest, as the client itself wrote it."""
    for _, body in read_blocks(file, draft=True):
        yield from _unpack(body, _draft_entry)


def _entry(row: list[Any]) -> Entry:
    path, digest, size, *rest = row
    if not isinstance(path, str) or not isinstance(digest, str) or not isinstance(size, int) or len(rest) > 1:
        raise TypeError(f"{row!r:.200} is not an entry")
    if rest:
        return Entry(path, digest, size, _reference(*rest[0]))
    digest_hex(digest)
    return Entry(path, digest, size)


def _reference(uri: Any, extra: Any) -> Reference:
    pairs = tuple((name, value) for name, value in extra)
    if not all(isinstance(text, str) for text in (uri, *chain.from_iterable(pairs))):
        raise TypeError(f"{uri!r:.200} is not a reference")
    return Reference(uri, pairs)


def _draft_entry(row: list[Any]) -> DraftEntry:
    path, size, source, offset, identity, *rest = row
    reference = _draft_reference(*rest[0]) if rest else None
    return DraftEntry(path, size, source, offset, identity and Identity._make(identity), reference)


def _draft_reference(
    uri: str, digest: str | None, extra: list[list[str]], limit: int, folder: str = ""
) -> DraftReference:
    return DraftReference(uri, digest, tuple((name, value) for name, value in extra), limit, folder)


def _unpack(body: bytes, make: Callable[[list[Any]], AnyEntry]) -> list[AnyEntry]:
    try:
        rows = msgpack.unpackb(body, max_array_len=BLOCK_ENTRIES, max_map_len=0, max_ext_len=0)
        return [make(row) for row in rows]
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise InvalidRequest(f"manifest block cannot be decoded: {error}") from error


def read_blocks(file: BinaryIO, *, draft: bool) -> Iterator[tuple[str, bytes]]:
    """The blocks of a manifest file as `(first path, body)`; framing and limits are checked, bodies are not."""
    magic = _DRAFT_MAGIC if draft else _MANIFEST_MAGIC
    if file.read(len(magic)) != magic:
        raise InvalidRequest("manifest has the wrong header", remedy="it was written by an incompatible version")
    while header := file.read(_BLOCK.size):
        if len(header) < _BLOCK.size:
            raise InvalidRequest("manifest is truncated")
        length, first_length = _BLOCK.unpack(header)
        if length > MAX_BLOCK_BYTES or first_length > MAX_BLOCK_BYTES:
            raise InvalidRequest("manifest block is too large")
        first, body = file.read(first_length), file.read(length)
        if len(first) < first_length or len(body) < length:
            raise InvalidRequest("manifest is truncated")
        try:
            yield first.decode(), body
        except UnicodeDecodeError as error:
            raise InvalidRequest("manifest block has a bad first path") from error


def check_order(entries: Iterable[AnyEntry]) -> Iterator[AnyEntry]:
    """Pass entries on while their paths obey the rules and ascend; refuse a file that is also a directory."""
    previous = b""
    open_files: list[bytes] = []
    for entry in entries:
        path = check_entry_path(entry.path).encode()
        if path <= previous:
            raise InvalidRequest("manifest paths do not ascend", subject=entry.path)
        # "a" and "a/b" need not be neighbours ("a.txt" sorts between them): keep the files that prefix us.
        while open_files and not path.startswith(open_files[-1]):
            open_files.pop()
        for file in open_files:
            if path.startswith(file + b"/"):
                raise InvalidRequest(f"{file.decode()!r} is both a file and a directory", subject=entry.path)
        open_files.append(path)
        previous = path
        yield entry
