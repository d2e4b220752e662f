"""What GCS says of objects, decoded by type: a server's answers are hostile until checked."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple, TypeVar

import msgspec

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.gcs.errors import answered
from artifactd.daemon.stores.gcs.http import Answer

__all__ = ["Listing", "Stored", "decode_listing", "decode_stored", "encode_crc", "success"]

T = TypeVar("T")


class Stored(NamedTuple):
    """An object that the server has; `crc` is its CRC32C."""

    size: int
    crc: int
    generation: int


class _Object(msgspec.Struct):
    size: int
    crc32c: str
    generation: int


class _Item(msgspec.Struct):
    name: str
    size: int


class Listing(msgspec.Struct):
    """A page of a listing; names as they are in the bucket."""

    items: list[_Item] = []
    nextPageToken: str | None = None


# GCS writes 64-bit numbers as strings.
_OBJECT = msgspec.json.Decoder(_Object, strict=False)
_LISTING = msgspec.json.Decoder(Listing, strict=False)


def success(answer: Answer, operation: str, key: str) -> Answer:
    """Return the answer if its status is one of success, else raise what it means."""
    if not 200 <= answer.status < 300:
        raise answered(answer.status, answer.body, operation, key)
    return answer


def encode_crc(crc: int) -> str:
    """As GCS writes a CRC32C."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def decode_stored(answer: Answer, operation: str, key: str) -> Stored:
    """The object that an answer tells of. Raises `StoreError`, also if it tells of none."""
    found = _decode(_OBJECT, answer, operation, key)
    try:
        crc = int.from_bytes(base64.b64decode(found.crc32c, validate=True), "big")
    except binascii.Error as error:
        raise _not_understood(operation, key) from error
    return Stored(found.size, crc, found.generation)


def decode_listing(answer: Answer, operation: str, key: str) -> Listing:
    """Raises `StoreError`."""
    return _decode(_LISTING, answer, operation, key)


def _decode(decoder: msgspec.json.Decoder[T], answer: Answer, operation: str, key: str) -> T:
    try:
        return decoder.decode(success(answer, operation, key).body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_understood(operation, key) from error


def _not_understood(operation: str, key: str) -> StoreError:
    return StoreError(Kind.TRANSIENT, operation, key, "the server's answer is not understood")
