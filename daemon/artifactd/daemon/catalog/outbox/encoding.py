"""Records as bytes, which are never trusted when they come back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import msgspec
from blake3 import blake3

from artifactd.daemon.catalog.merging import fields_of
from artifactd.daemon.catalog.outbox.forms import FORMAT, AliasPage, CollectionRecord, InputPage, RunRecord
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import digest_hex

__all__ = [
    "MAX_OBJECT",
    "DamagedRecord",
    "Encoded",
    "Record",
    "decode",
    "decode_aliases",
    "decode_inputs",
    "digest_of_object",
    "encode",
]

Record = CollectionRecord | RunRecord

MAX_OBJECT = 64 << 20
"""Bytes of an object that are read; those that we write have a tenth of it."""
PAGE = 10_000
"""Aliases, or inputs, of one object."""

_Item = TypeVar("_Item")
_Type = TypeVar("_Type")


class DamagedRecord(Exception):
    """It is not what was written, or says what cannot be; the message says what."""


class Encoded(NamedTuple):
    """The objects of one record: `pages` go to the store before `head`, which names them."""

    head: bytes
    pages: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_record: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(CollectionRecord | RunRecord)
_aliases = msgspec.msgpack.Decoder(AliasPage)
_inputs = msgspec.msgpack.Decoder(InputPage)


def digest_of_object(data: bytes) -> str:
    """What an object's key says of its bytes: 32 characters that tell any two apart."""
    return blake3(data).hexdigest(16)


def encode(record: Record) -> Encoded:
    """The objects of a record whose `pages` are still to be made."""
    if isinstance(record, CollectionRecord):
        first, *more = _cut(record.aliases)
        pages = [_encode(AliasPage(page)) for page in more]
        head = _encode(msgspec.structs.replace(record, aliases=first, pages=_digests(pages)))
    else:
        used, *others = _cut(record.inputs)
        pages = [_encode(InputPage(page)) for page in others]
        head = _encode(msgspec.structs.replace(record, inputs=used, pages=_digests(pages)))
    return Encoded(head, pages)


def decode(data: bytes, digest: str) -> Record:
    """Read the head of a record. Raises `DamagedRecord`."""
    record = _decode(data, digest, _record)
    if record.format != FORMAT:
        raise DamagedRecord(f"is of format {record.format}, and this release knows {FORMAT}")
    try:
        if isinstance(record, CollectionRecord):
            for version in record.versions:
                digest_hex(version.digest)
                fields_of(version.metadata)
    except (InvalidRequest, RecursionError) as error:
        raise DamagedRecord(f"says what cannot be: {error}") from error
    return record


def decode_aliases(data: bytes, digest: str) -> AliasPage:
    """Read a page of a collection's record. Raises `DamagedRecord`."""
    return _decode(data, digest, _aliases)


def decode_inputs(data: bytes, digest: str) -> InputPage:
    """Read a page of a run's record. Raises `DamagedRecord`."""
    return _decode(data, digest, _inputs)


def _decode(data: bytes, digest: str, decoder: msgspec.msgpack.Decoder[_Type]) -> _Type:
    if digest_of_object(data) != digest:
        raise DamagedRecord("has other bytes than were written")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DamagedRecord(f"is not understood: {error}") from error


def _cut(items: Sequence[_Item]) -> list[tuple[_Item, ...]]:
    rest = iter(items)
    pages = [tuple(islice(rest, PAGE))]
    while page := tuple(islice(rest, PAGE)):
        pages.append(page)
    return pages


def _digests(pages: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(map(digest_of_object, pages))
