"""What every store can do, and how it says that it could not.

A store keeps immutable objects under keys that the daemon chooses. Each of its methods is a trio coroutine;
cancelling one ends the transfer and leaves either the whole object or nothing under its key.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = [
    "SINGLE_PUT",
    "Kind",
    "ObjectInfo",
    "SentPart",
    "Source",
    "Store",
    "StoreError",
    "StoreUnusable",
    "UnfinishedUpload",
    "UploadJournal",
    "check_key",
]

SINGLE_PUT = 8 << 20
"""Objects of up to so many bytes go out whole, in one request; one read serves hashing and sending."""


class Kind(StrEnum):
    """What a failure means for a retry. The policy reads this and never a message text."""

    TRANSIENT = "transient"
    """Network, timeout before anything was sent, 5xx: the same call may succeed."""
    THROTTLED = "throttled"
    """The server asks for less."""
    DENIED = "denied"
    """Credentials, the bucket or trust in the server's certificate are missing, expired or not enough: an operator
    must act, and then it goes on."""
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """Something else lies under the key already."""
    CORRUPT = "corrupt"
    """The bytes are not what their digest or checksum says (source changed, or damaged on the way)."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """It may have taken effect: look before acting; never delete."""
    PERMANENT = "permanent"
    """The same call can never succeed."""


class StoreError(Exception):
    """A store operation that failed: which one, on which key, and of what kind."""

    def __init__(self, kind: Kind, operation: str, key: str, reason: str) -> None:
        super().__init__(f"{operation} {key}: {reason} [{kind}]")
        self.kind = kind
        self.operation = operation
        self.key = key
        self.reason = reason


class StoreUnusable(Exception):
    """The store cannot be opened as it is configured: an operator must act. Has no secret in it."""


def check_key(operation: str, key: str) -> str:
    """Return `key` if it is a relative path without `.`, `..` and empty components, else raise `PERMANENT`."""
    if "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise StoreError(Kind.PERMANENT, operation, key, "not a key of this store")
    return key


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as the store lists it; `size` in bytes."""

    key: str
    size: int


class Source(Protocol):
    """Bytes to upload, readable at any offset, from any thread, repeatedly."""

    @property
    def size(self) -> int: ...

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` on and return the bytes read: fewer only at the end of the source."""


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """A multipart upload that was begun and not ended, cut into parts of `part_size` bytes.

    `upload_id` is None where the process died while creating it. One with either missing cannot be continued.
    `touched_at` is when it was created, or when a part of it was last noted (seconds since the epoch).
    """

    key: str
    upload_id: str | None
    part_size: int | None
    touched_at: float


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that the server has acknowledged: its number from 1, its ETag as the server gave it, and its size.

    `prefix` is the raw BLAKE3 of the source from its beginning to the part's end, as it was when it was read: a
    source with this prefix has these bytes here.
    """

    number: int
    etag: str
    size: int
    prefix: bytes


class UploadJournal(Protocol):
    """The durable memory of multipart uploads. Its coroutines return once their record survives a kill."""

    async def creating(self, key: str) -> None:
        """About to create a multipart upload under `key`. What was known of an earlier one is forgotten."""

    async def created(self, key: str, upload_id: str, part_size: int) -> None:
        """The upload exists, and its parts will have `part_size` bytes; none was sent yet."""

    def sent(self, key: str, upload_id: str, parts: Sequence[SentPart]) -> None:
        """These parts have arrived. From any thread; recorded soon, or never: a hint that saves sending again."""

    async def ended(self, key: str) -> None:
        """The upload was completed or aborted."""

    async def unfinished(self) -> list[UnfinishedUpload]:
        """Uploads begun and never ended."""

    async def parts(self, key: str) -> list[SentPart]:
        """What `sent` told of the upload under `key`, all that was told before included."""


class Store(Protocol):
    """Objects under keys. All methods raise `StoreError` and nothing else."""

    url: str
    """Where it is, fit for logs: without credentials."""

    async def put(self, key: str, source: Source, *, digest: str) -> None:
        """Store the whole of `source` under `key`, in one request or as a multipart upload.

        The bytes are hashed again as they are sent; if they are not `digest`, nothing becomes visible under
        `key` and the error's kind is `CORRUPT`. An equal object that lies there already is success. What a
        failed, cancelled or killed upload has sent already may be kept for the next `put` of the same key.
        """

    async def put_batch(self, items: Sequence[tuple[str, bytes | memoryview]]) -> list[StoreError | None]:
        """Store many small objects, whose bytes were just hashed; one outcome each, in order."""

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        """Write the object, or `length` bytes from `offset`, to `fd` at its position; return the bytes written.

        The caller owns `fd` and checks the digest.
        """

    async def head(self, key: str) -> ObjectInfo | None:
        """The object's size, or None when there is none."""

    async def delete(self, key: str) -> None:
        """Remove the object; one that is not there is success."""

    def list(self, prefix: str) -> AsyncGenerator[ObjectInfo, None]:
        """Every object whose key starts with `prefix`, in the order of keys; close it when stopping early."""

    async def recover(self) -> int:
        """Take stock of what earlier processes left unfinished, before the first `put`.

        What the next `put` of its key can continue is kept, the rest aborted; returns how many were aborted.
        What cannot be aborted now stays in the journal, for the next `put` of its key or the next start.
        """

    async def aclose(self) -> None:
        """Release connections and threads. No call may be under way."""
