"""What an S3 server checks of what it is sent, and how it takes large objects: steps of `s3`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from awscrt.checksums import crc32c, crc64nvme

from artifactd.daemon.stores.base import Kind
from artifactd.daemon.stores.doctor.report import Finding, Level
from artifactd.daemon.stores.doctor.s3_diagnosis import Refused
from artifactd.daemon.stores.doctor.s3_probe import Answer, Probe, body_of
from artifactd.daemon.stores.s3.checksums import encoded

__all__ = ["Care", "checksums", "conditional", "multipart"]

_PART = 5 << 20
"""The smallest part that may have another after it."""
_SAMPLE = b"artifactd doctor"


class Care(StrEnum):
    """How a server treats a checksum."""

    VERIFIES = "verifies"
    IGNORES = "ignores"
    REFUSES = "refuses"
    """Even a right one: it does not know it."""


def care(wrong: Answer, right: Answer) -> Care:
    """The judgement over two requests, one with a wrong and one with the right checksum."""
    if not isinstance(wrong, Refused):
        return Care.IGNORES
    return Care.REFUSES if isinstance(right, Refused) else Care.VERIFIES


async def conditional(probe: Probe) -> list[Finding]:
    """Put an object where there is one already, on the condition that there is none."""
    key = probe.key("conditional")
    first = await probe.put(key, _SAMPLE)
    if isinstance(first, Refused):
        return []
    again = await probe.put(key, _SAMPLE, IfNoneMatch="*")
    follows = "nothing: keys are digests, so whoever writes a key writes the same bytes"
    if isinstance(again, Refused):
        honours = again.kind is Kind.CONFLICT
        found = "If-None-Match is honoured" if honours else f"If-None-Match is refused ({again.code})"
        return [Finding("conditional put", Level.OK if honours else Level.NOTE, honours, found, follows)]
    return [Finding("conditional put", Level.NOTE, False, "If-None-Match is ignored", follows)]


async def checksums(probe: Probe) -> list[Finding]:
    """Send right and wrong checksums of each algorithm."""
    return [await _checksum(probe, name, *_ALGORITHMS[name]) for name in _ALGORITHMS]


async def _checksum(probe: Probe, name: str, parameter: str, compute: Callable[[bytes], bytes]) -> Finding:
    async def put(digest: bytes) -> Answer:
        value: dict[str, Any] = {parameter: base64.b64encode(digest).decode()}
        return await probe.put(probe.key(f"checksum-{name.lower()}"), _SAMPLE, **value)

    digest = compute(_SAMPLE)
    wrong = await put(bytes([digest[0] ^ 1, *digest[1:]]))
    right = await put(digest)
    found = care(wrong, right)
    returned = not isinstance(right, Refused) and right.get(parameter) == base64.b64encode(digest).decode()
    text = {
        Care.VERIFIES: "a wrong one is refused",
        Care.IGNORES: "a wrong one is accepted",
        Care.REFUSES: "even a right one is refused",
    }[found] + (", and the server returns it" if returned else "")
    if name != "CRC64NVME":
        return Finding(f"checksum {name}", Level.OK, found, text, "nothing: artifactd does not send it")
    level, follows = _what_follows(found, returned)
    return Finding(f"checksum {name}", level, found, text, follows)


def _what_follows(found: Care, returned: bool) -> tuple[Level, str]:
    if found is Care.VERIFIES:
        return Level.OK, "what is damaged on its way there is refused, and sent again"
    if returned:
        return Level.NOTE, "artifactd compares what the server returns, and sends again what was damaged"
    return Level.NOTE, (
        "what is damaged on its way there is noticed only when it is read, by its digest: use https, which "
        "detects damage on the network"
    )


_ALGORITHMS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "CRC64NVME": ("ChecksumCRC64NVME", lambda data: crc64nvme(data, 0).to_bytes(8, "big")),
    "CRC32C": ("ChecksumCRC32C", lambda data: crc32c(data, 0).to_bytes(4, "big")),
    "SHA256": ("ChecksumSHA256", lambda data: hashlib.sha256(data).digest()),
    "MD5": ("ContentMD5", lambda data: hashlib.md5(data, usedforsecurity=False).digest()),
}
"""The parameter and the digest of each."""


async def multipart(probe: Probe) -> list[Finding]:
    """Make an object of two parts, and give another up."""
    key = probe.key("multipart")
    algorithm = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    created = await probe.create(key, **algorithm)
    checksum = not isinstance(created, Refused)
    if isinstance(created, Refused) and created.kind is Kind.PERMANENT:
        created = await probe.create(key)
    if isinstance(created, Refused):
        await _ask_in_vain(probe, key)
        return [] if created.kind is Kind.DENIED else [_broken("cannot be begun", created)]
    return [
        *await _Object(probe, key, created["UploadId"], checksum).make(),
        *await _abandon(probe, key),
    ]


class _Object:
    """One multipart upload, to its completion."""

    def __init__(self, probe: Probe, key: str, upload_id: str, checksum: bool) -> None:
        self._probe = probe
        self._upload = {"Key": key, "UploadId": upload_id}
        self._checksum = checksum
        self._data = (bytes(_PART), _SAMPLE)
        self._etags: dict[int, str] = {}

    async def make(self) -> list[Finding]:
        findings = []
        if self._checksum:
            wrong, right = await self._send(2, crc64nvme(_SAMPLE, 0) ^ 1), await self._send(2)
            of_parts = care(wrong, right)
            self._checksum = of_parts is not Care.REFUSES
            follows = "" if of_parts is Care.VERIFIES else "as for whole objects, above"
            findings.append(_note("checksums of parts", of_parts, f"the server {of_parts} them", follows))
        for number in (1, 2):
            if isinstance(sent := await self._send(number), Refused):
                return [*findings, _broken("refuses a part", sent)]
        listed = await self._probe.ask("list_parts", **self._upload)
        if not isinstance(listed, Refused):
            sizes = {part.get("PartNumber"): part.get("Size") for part in listed.get("Parts", ())}
            knows = sizes == {number: len(data) for number, data in enumerate(self._data, 1)}
            text = "parts that have arrived are listed" if knows else "the list of parts is not right"
            follows = "an upload that broke off goes on" if knows else "an upload that broke off starts again"
            findings.append(Finding("resuming", Level.OK if knows else Level.WARNING, knows, text, follows))
        return [*findings, *await self._complete()]

    async def _send(self, number: int, crc: int | None = None) -> Answer:
        body = body_of(self._data[number - 1], checksum=self._checksum)
        if crc is not None:
            body["ChecksumCRC64NVME"] = encoded(crc)
        answer = await self._probe.ask("upload_part", PartNumber=number, **self._upload, **body)
        if not isinstance(answer, Refused):
            self._etags[number] = answer["ETag"]
        return answer

    async def _complete(self) -> list[Finding]:
        findings = []
        if self._checksum:
            whole = crc64nvme(self._data[1], crc64nvme(self._data[0], 0))
            wrong = await self._finish(whole ^ 1)
            done = await self._finish(whole) if isinstance(wrong, Refused) else wrong
            found = care(wrong, done)
            follows = "" if found is Care.VERIFIES else "nothing: each part was checked, or is when it is read"
            findings.append(_note("checksum of the whole", found, f"the server {found} it", follows))
        else:
            done = await self._finish(None)
        if isinstance(done, Refused):
            done = await self._finish(None)
        if isinstance(done, Refused):
            return [*findings, _broken("cannot be completed", done)]
        text = "an object was made of two parts"
        return [*findings, Finding("multipart", Level.OK, True, text, "files over 8 MiB go out in parts")]

    async def _finish(self, whole: int | None) -> Answer:
        parts = [
            {"PartNumber": number, "ETag": self._etags[number]}
            | ({"ChecksumCRC64NVME": encoded(crc64nvme(data, 0))} if self._checksum else {})
            for number, data in enumerate(self._data, 1)
        ]
        checksum = {} if whole is None else {"ChecksumCRC64NVME": encoded(whole), "ChecksumType": "FULL_OBJECT"}
        return await self._probe.ask(
            "complete_multipart_upload", MultipartUpload={"Parts": parts}, **self._upload, **checksum
        )


async def _abandon(probe: Probe, key: str) -> list[Finding]:
    listed = await probe.ask("list_multipart_uploads", Prefix=key)
    created = await probe.create(key)
    if isinstance(created, Refused):
        return [_broken("cannot be begun again", created)]
    upload = {"Key": key, "UploadId": created["UploadId"]}
    aborted = await probe.ask("abort_multipart_upload", **upload)
    if isinstance(listed, Refused) and listed.kind is not Kind.DENIED:
        return [_note("orphans", False, "uploads cannot be listed", "give the bucket a rule that aborts old ones")]
    if isinstance(aborted, Refused):
        text = f"uploads cannot be aborted ({aborted.code})"
        return [Finding("orphans", Level.WARNING, False, text, "give the bucket a rule that aborts old ones")]
    return [Finding("orphans", Level.OK, True, "uploads are listed and can be aborted")]


async def _ask_in_vain(probe: Probe, key: str) -> None:
    """Where no upload can be begun, learn at least what of one that is not there may be asked."""
    await probe.ask("list_multipart_uploads", Prefix=key)
    await probe.ask("list_parts", Key=key, UploadId="none")
    await probe.ask("abort_multipart_upload", Key=key, UploadId="none")


def _note(topic: str, value: str | bool, found: str, follows: str) -> Finding:
    return Finding(topic, Level.NOTE if follows else Level.OK, value, found, follows)


def _broken(what: str, refused: Refused) -> Finding:
    found = f"a multipart upload {what}: {refused.reason}"
    return Finding("multipart", Level.FAILURE, False, found, "files over 8 MiB cannot be stored")
