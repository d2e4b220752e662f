"""The examination of a store in S3: what the server does, and whether the credentials suffice."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from artifactd.daemon.stores.asyncio_bridge import Bridge, open_bridge
from artifactd.daemon.stores.base import Kind, StoreUnusable
from artifactd.daemon.stores.doctor.report import PROBES, Finding, Hopeless, Level, judge_endpoint
from artifactd.daemon.stores.doctor.s3_diagnosis import Refused
from artifactd.daemon.stores.doctor.s3_integrity import checksums, conditional, multipart
from artifactd.daemon.stores.doctor.s3_permissions import ROLES
from artifactd.daemon.stores.doctor.s3_probe import Probe, body_of
from artifactd.daemon.stores.s3.client import open_client
from artifactd.daemon.stores.s3.options import S3Options

__all__ = ["S3Examination", "open_examination"]

_BODY = b"0123456789"
_SMALL = 16 << 10
_ROUNDS = 11
_LARGE = 8 << 20
_SKEW_SECONDS = 60.0
"""S3 refuses requests at 15 minutes; a clock that is off by one is on its way there."""
_CONFIGURE = "configure them: in the environment, in ~/.aws, or by a role of the machine"


@asynccontextmanager
async def open_examination(bucket: str, prefix: str, options: S3Options) -> AsyncIterator[S3Examination]:
    """An examination of `s3://bucket/prefix`, on an asyncio loop of its own."""
    async with open_bridge() as bridge:
        examination = S3Examination(bridge, bucket, prefix, options)
        try:
            yield examination
        finally:
            with trio.CancelScope(shield=True):
                await bridge.call(examination.close)


class S3Examination:
    """See `doctor.Examination`. Its steps run on the asyncio loop."""

    def __init__(self, bridge: Bridge, bucket: str, prefix: str, options: S3Options) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bridge = bridge
        self._bucket = bucket
        self._probes = f"{prefix}/{PROBES}/".lstrip("/") + secrets.token_hex(8) + "/"
        self._options = options
        self._client: Any = None
        self._probe: Probe | None = None

    @property
    def steps(self) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, list[Finding]]]]]:
        steps = {
            "looking for credentials": self._credentials,
            "reaching the server": self._reach,
            "writing": self._write,
            "reading": self._read,
            "conditional requests": self._if_it_can_write(conditional),
            "checksums": self._if_it_can_write(checksums),
            "multipart uploads": self._multipart,
            "the bucket's settings": self._settings,
            "measuring speed": self._if_it_can_write(_measure),
            "deleting": self._delete,
        }
        return [(title, partial(self._bridge.call, step)) for title, step in steps.items()]

    def conclude(self) -> list[Finding]:
        return [role.judge(self._asked.denied, self._asked.untested) for role in ROLES]

    async def clean_up(self) -> None:
        if self._probe is not None:
            await self._bridge.call(self._probe.clean_up)

    @property
    def left(self) -> Sequence[str]:
        if self._probe is None:
            return ()
        uploads = [f"{key} (unfinished upload {upload_id})" for upload_id, key in self._probe.uploads.items()]
        return [*sorted(self._probe.keys), *uploads]

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    @property
    def _asked(self) -> Probe:
        assert self._probe is not None, "the first steps make it"
        return self._probe

    def _if_it_can_write(
        self, step: Callable[[Probe], Coroutine[Any, Any, list[Finding]]]
    ) -> Callable[[], Coroutine[Any, Any, list[Finding]]]:
        async def guarded() -> list[Finding]:
            return await step(self._asked) if self._asked.keys else []

        return guarded

    async def _credentials(self) -> list[Finding]:
        try:
            found = await AioSession().get_credentials()
            keys = None if found is None else await found.get_frozen_credentials()
        except BotoCoreError as error:
            raise Hopeless(Finding("credentials", Level.FAILURE, False, str(error), _CONFIGURE)) from error
        if keys is None:
            raise Hopeless(Finding("credentials", Level.FAILURE, False, "there are none", _CONFIGURE))
        lasting = "temporary" if keys.token else "permanent"
        follows = "looked up anew before they expire, and when the server refuses them"
        return [Finding("credentials", Level.OK, found.method, f"{lasting}, from {found.method}", follows)]

    async def _reach(self) -> list[Finding]:
        try:
            self._client = await open_client(self._options, 1)
        except StoreUnusable as error:
            finding = Finding("settings", Level.FAILURE, False, str(error), "correct [store.s3]")
            raise Hopeless(finding) from error
        self._probe = Probe(self._client, self._bucket, self._probes, self._options.new_object)
        endpoint = judge_endpoint(self._client.meta.endpoint_url)
        await self._probe.ask("list_objects_v2", Prefix=self._probes, MaxKeys=1)
        return [endpoint, *_clock(self._probe.skew)]

    async def _write(self) -> list[Finding]:
        probe, key = self._asked, self._asked.key("small")
        wanted = self._options.new_object
        put = await probe.put(key, _BODY)
        if isinstance(put, Refused) and wanted:
            plain = await probe.ask("put_object", Key=key, **body_of(_BODY, checksum=False))
            if not isinstance(plain, Refused):
                found = f"objects with {', '.join(wanted.values())} are refused: {put.reason}"
                raise Hopeless(
                    Finding("new objects", Level.FAILURE, False, found, "see [store.s3] sse and the key")
                )
        if isinstance(put, Refused) and put.kind is not Kind.DENIED:
            raise Hopeless(Finding("put", Level.FAILURE, False, put.reason, "nothing can be stored"))
        return []

    async def _read(self) -> list[Finding]:
        """Read our own object, or one that may not be there: then the refusal says whether it is allowed."""
        probe, key = self._asked, self._asked.key("small")
        written = key in probe.keys
        if not written and "s3:ListBucket" in probe.denied:
            # Without the right to list, S3 does not tell what is forbidden from what is not there.
            return []
        head = await probe.ask("head_object", Key=key)
        got = await probe.ask("get_object", Key=key, Range="bytes=2-4")
        findings = []
        if not isinstance(got, Refused):
            ranged = got["Body"] == _BODY[2:5]
            level = Level.OK if ranged else Level.FAILURE
            text = "given as asked" if ranged else "the server sends something else"
            follows = "downloads go on where they broke off" if ranged else "downloads cannot work"
            findings.append(Finding("ranges", level, ranged, text, follows))
        if not isinstance(head, Refused):
            findings.append(_encryption(self._options.sse, head.get("ServerSideEncryption")))
        return findings

    async def _multipart(self) -> list[Finding]:
        return await multipart(self._asked)

    async def _settings(self) -> list[Finding]:
        versioning = await self._asked.ask("get_bucket_versioning")
        lock = await self._asked.ask("get_object_lock_configuration")
        return [_versioning(versioning), _lock(lock)]

    async def _delete(self) -> list[Finding]:
        key = self._asked.key("small")
        written = key in self._asked.keys
        deleted = await self._asked.ask("delete_object", Key=key)
        if isinstance(deleted, Refused):
            follows = "right for an uploader: only garbage collection deletes"
            return [Finding("delete", Level.NOTE, False, f"refused ({deleted.code})", follows)]
        gone = not written or isinstance(await self._asked.ask("head_object", Key=key), Refused)
        text = "what is deleted is gone" if gone else "what is deleted is still there"
        return [Finding("delete", Level.OK if gone else Level.WARNING, gone, text)]


def _clock(skew: float | None) -> list[Finding]:
    if skew is None:
        return []
    late = abs(skew) > _SKEW_SECONDS
    way = "ahead of" if skew > 0 else "behind"
    # The server tells whole seconds only.
    found = f"the server's is {abs(skew):.0f} s {way} ours" if abs(skew) > 2 else "the server's agrees with ours"
    follows = "let NTP set it: at 15 minutes every request is refused" if late else ""
    return [Finding("clock", Level.WARNING if late else Level.OK, round(skew, 1), found, follows)]


def _encryption(wanted: str | None, got: str | None) -> Finding:
    if wanted and got != wanted:
        found = f"asked for {wanted}, and the server says {got or 'nothing'}"
        follows = "do not rely on it: this server does not encrypt as [store.s3] sse asks"
        return Finding("encryption", Level.WARNING, got, found, follows)
    found = f"new objects are encrypted: {got}" if got else "the server does not say that it encrypts"
    return Finding("encryption", Level.OK if got else Level.NOTE, got, found)


def _versioning(answer: dict[str, Any] | Refused) -> Finding:
    if isinstance(answer, Refused):
        return Finding("versioning", Level.NOTE, None, f"not known ({answer.code})", "nothing: it is not needed")
    on = answer.get("Status") == "Enabled"
    follows = "what garbage collection deletes stays until a lifecycle rule ends noncurrent versions" if on else ""
    return Finding("versioning", Level.NOTE if on else Level.OK, on, "on" if on else "off", follows)


def _lock(answer: dict[str, Any] | Refused) -> Finding:
    if isinstance(answer, Refused):
        if answer.kind is Kind.DENIED:
            return Finding("object lock", Level.NOTE, None, f"not known ({answer.code})", "nothing")
        return Finding("object lock", Level.OK, False, "off")
    on = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
    follows = "garbage collection frees space only when the retention is over" if on else ""
    return Finding("object lock", Level.NOTE if on else Level.OK, on, "on" if on else "off", follows)


async def _measure(probe: Probe) -> list[Finding]:
    rounds = []
    data = bytes(_SMALL)
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        await probe.put(probe.key("small"), data)
        rounds.append(time.perf_counter() - began)
    latency = statistics.median(rounds)
    began = time.perf_counter()
    await probe.put(probe.key("large"), bytes(_LARGE))
    rate = _LARGE / (time.perf_counter() - began)
    return [
        Finding("latency", Level.OK, round(latency, 4), f"a PUT of 16 KiB takes {latency * 1000:.1f} ms (median)"),
        Finding("throughput", Level.OK, round(rate), f"one PUT of 8 MiB runs at {rate / (1 << 20):.1f} MiB/s"),
    ]
