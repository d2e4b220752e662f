"""What a Google Cloud Storage holds: buckets, generations of objects, resumable sessions. No I/O."""

from __future__ import annotations

import base64
import hashlib
import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any

from awscrt.checksums import crc32c

__all__ = ["GRAIN", "Bucket", "GCSObject", "Refusal", "Session"]

GRAIN = 256 << 10
"""Sessions persist multiples of so many bytes, until the last."""


class Refusal(Exception):
    """An answer that is no success: HTTP status, Google's reason and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class GCSObject:
    """One generation of an object; `metadata` is what its maker said, `kms_key` what the request named."""

    name: str
    data: bytes | bytearray
    generation: int
    metadata: dict[str, Any] = field(default_factory=dict)
    kms_key: str | None = None

    @property
    def crc32c(self) -> str:
        return base64.b64encode(crc32c(self.data).to_bytes(4, "big")).decode()

    @property
    def md5(self) -> str:
        return base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode()

    @property
    def resource(self) -> dict[str, Any]:
        """As the JSON API shows it: 64-bit numbers are strings."""
        shown = {
            "kind": "storage#object",
            "name": self.name,
            "size": str(len(self.data)),
            "generation": str(self.generation),
            "metageneration": "1",
            "crc32c": self.crc32c,
            "md5Hash": self.md5,
            "etag": f"etag-{self.generation}",
            "storageClass": self.metadata.get("storageClass", "STANDARD"),
            "contentType": self.metadata.get("contentType", "application/octet-stream"),
        }
        return shown | ({"kmsKeyName": self.kms_key} if self.kms_key else {})


@dataclass
class Session:
    """A resumable upload: what has been persisted of it, and the object once it is complete."""

    name: str
    metadata: dict[str, Any]
    condition: int | None
    kms_key: str | None
    size: int | None
    uri: str
    data: bytearray = field(default_factory=bytearray)
    made: GCSObject | None = None

    def persist(self, offset: int, data: bytes, *, last: bool) -> None:
        """Take bytes from `offset` on; those that are there already are ignored. Unless they are the `last`,
        what does not fill a grain is lost."""
        if offset > len(self.data):
            raise Refusal(400, "invalid", "the bytes do not follow those that are persisted")
        self.data += data[len(self.data) - offset :]
        if not last:
            del self.data[len(self.data) // GRAIN * GRAIN :]


class Bucket:
    """Objects by name. With `versioning`, what was replaced or deleted is read by its generation."""

    def __init__(self, name: str, *, versioning: bool = False) -> None:
        self.name = name
        self.versioning = versioning
        self.live: dict[str, GCSObject] = {}
        self.noncurrent: dict[tuple[str, int], GCSObject] = {}
        self.sessions: dict[str, Session] = {}
        self._generations = itertools.count(1_700_000_000_000_001)

    def check(self, name: str, condition: int | None) -> None:
        """`ifGenerationMatch`; 0 is "there is none"."""
        found = self.live.get(name)
        if condition is not None and condition != (found.generation if found else 0):
            raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")

    def insert(
        self,
        name: str,
        data: bytes | bytearray,
        metadata: dict[str, Any] | None = None,
        *,
        condition: int | None = None,
        kms_key: str | None = None,
        checksums: dict[str, str] | None = None,
    ) -> GCSObject:
        """Make a generation if the condition holds and every checksum that was declared is right."""
        self.check(name, condition)
        made = GCSObject(name, data, next(self._generations), metadata or {}, kms_key)
        declared = {
            "crc32c": made.metadata.get("crc32c"),
            "md5": made.metadata.get("md5Hash"),
            **(checksums or {}),
        }
        for kind, right in (("crc32c", made.crc32c), ("md5", made.md5)):
            if declared.get(kind) not in (None, right):
                raise Refusal(400, "invalid", f'Provided {kind} "{declared[kind]}" doesn\'t match {right}.')
        self._retire(name)
        self.live[name] = made
        return made

    def get(self, name: str, generation: int | None = None) -> GCSObject:
        found = self.live.get(name)
        if generation is not None and (found is None or found.generation != generation):
            found = self.noncurrent.get((name, generation))
        if found is None:
            raise Refusal(404, "notFound", f"No such object: {self.name}/{name}")
        return found

    def delete(self, name: str, condition: int | None) -> None:
        self.get(name)
        self.check(name, condition)
        self._retire(name)

    def _retire(self, name: str) -> None:
        old = self.live.pop(name, None)
        if old and self.versioning:
            self.noncurrent[name, old.generation] = old

    def page(self, prefix: str, delimiter: str, after: str, most: int) -> dict[str, Any]:
        """One page of names in their order; the token of the next is the last name or prefix of this one."""
        items: list[dict[str, Any]] = []
        prefixes: list[str] = []
        token = ""
        for name in sorted(self.live, key=str.encode):
            folder, cut, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            shown = prefix + folder + cut if cut else name
            if not name.startswith(prefix) or shown.encode() <= after.encode() or shown in prefixes:
                continue
            if len(items) + len(prefixes) == most:
                return {"items": items, "prefixes": prefixes, "nextPageToken": token}
            if cut:
                prefixes.append(shown)
            else:
                items.append(self.live[name].resource)
            token = shown
        return {"items": items, "prefixes": prefixes}

    def begin(
        self,
        name: str,
        metadata: dict[str, Any],
        condition: int | None,
        kms_key: str | None,
        size: int | None,
        uploads: str,
    ) -> Session:
        """Begin a resumable upload; its URI is below `uploads`."""
        self.check(name, condition)
        upload_id = secrets.token_hex(16)
        uri = f"{uploads}/{self.name}/o?uploadType=resumable&upload_id={upload_id}"
        self.sessions[upload_id] = Session(name, metadata, condition, kms_key, size, uri)
        return self.sessions[upload_id]

    def session(self, upload_id: str) -> Session:
        if upload_id not in self.sessions:
            raise Refusal(404, "notFound", "No such upload session")
        return self.sessions[upload_id]

    def finish(self, session: Session, checksums: dict[str, str]) -> GCSObject:
        """Make the object of a session that has all its bytes."""
        session.made = self.insert(
            session.name,
            # Not a copy: it may be gigabytes, and a session that is complete takes nothing more.
            session.data,
            session.metadata,
            condition=session.condition,
            kms_key=session.kms_key,
            checksums=checksums,
        )
        return session.made
