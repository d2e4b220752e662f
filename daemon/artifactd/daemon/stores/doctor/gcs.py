"""The examination of a store in Google Cloud Storage: whether the credentials suffice, and how fast it is."""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import trio
from awscrt.checksums import crc32c

from artifactd.daemon.stores.asyncio_bridge import Bridge, open_bridge
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.doctor.report import PROBES, Finding, Hopeless, Level, Role, judge_endpoint
from artifactd.daemon.stores.gcs.http import Http, open_http
from artifactd.daemon.stores.gcs.options import GCSOptions
from artifactd.daemon.stores.gcs.requests import Requests
from artifactd.daemon.stores.gcs.session import Sessions

__all__ = ["ROLES", "GCSExamination", "open_examination"]

T = TypeVar("T")

_LIST, _CREATE = "storage.objects.list", "storage.objects.create"
_GET, _DELETE = "storage.objects.get", "storage.objects.delete"
ROLES = (
    Role("uploader", frozenset({_LIST, _GET, _CREATE}), daemon=True),
    Role("reader", frozenset({_LIST, _GET}), daemon=True),
    Role("gc", frozenset({_LIST, _GET, _DELETE}), daemon=False),
)
_PERMISSIONS = frozenset().union(*(role.needs for role in ROLES))

_BODY = b"0123456789"
_SMALL = 16 << 10
_ROUNDS = 5
_LARGE = 8 << 20
_NO_ANSWER = frozenset({Kind.TRANSIENT, Kind.THROTTLED, Kind.UNKNOWN_OUTCOME})


@asynccontextmanager
async def open_examination(bucket: str, prefix: str, options: GCSOptions) -> AsyncIterator[GCSExamination]:
    """An examination of `gs://bucket/prefix`, on an asyncio loop of its own."""
    async with open_bridge() as bridge:
        http = await bridge.call(open_http, options, 1)
        try:
            yield GCSExamination(bridge, http, bucket, prefix, options)
        finally:
            with trio.CancelScope(shield=True):
                await bridge.call(http.close)


class GCSExamination:
    """See `doctor.Examination`. Its steps run on the asyncio loop."""

    def __init__(self, bridge: Bridge, http: Http, bucket: str, prefix: str, options: GCSOptions) -> None:
        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self._bridge = bridge
        self._root = http.root
        self._requests = Requests(http, bucket, prefix + "/" if prefix else "", options)
        self._sessions = Sessions(http, self._requests)
        self._probes = f"{PROBES}/{secrets.token_hex(8)}/"
        self._granted: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._keys: set[str] = set()

    @property
    def steps(self) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, list[Finding]]]]]:
        steps = {
            "reaching the server": self._reach,
            "writing": self._write,
            "reading": self._read,
            "resumable uploads": self._resume,
            "measuring speed": self._measure,
            "deleting": self._delete,
        }
        return [(title, partial(self._bridge.call, step)) for title, step in steps.items()]

    def conclude(self) -> list[Finding]:
        denied = {name: why for name, why in self._refusals.items() if name not in self._granted}
        untested = _PERMISSIONS - self._granted - self._refusals.keys()
        return [role.judge(denied, untested) for role in ROLES]

    async def clean_up(self) -> None:
        with suppress(Hopeless):
            for key in sorted(self._keys):
                await self._bridge.call(self._remove, key)

    @property
    def left(self) -> Sequence[str]:
        return sorted(self._keys)

    async def _ask(self, permission: str, request: Coroutine[Any, Any, T]) -> T | StoreError:
        """Make a request that needs `permission`; return its answer or its refusal. Raises `Hopeless`."""
        try:
            answer = await request
        except StoreError as error:
            if error.operation == "authenticate":
                follows = "name a key file in GOOGLE_APPLICATION_CREDENTIALS, or give the machine an account"
                raise Hopeless(Finding("credentials", Level.FAILURE, False, error.reason, follows)) from error
            if error.kind in _NO_ANSWER:
                follows = "look at the network, a firewall, a proxy, [store.gcs] endpoint_url and ca_bundle"
                raise Hopeless(Finding("endpoint", Level.FAILURE, False, error.reason, follows)) from error
            if error.kind is Kind.DENIED:
                self._refusals[permission] = error.reason
            return error
        self._granted.add(permission)
        return answer

    async def _reach(self) -> list[Finding]:
        await self._ask(_LIST, self._requests.page(self._probes, ""))
        return [judge_endpoint(self._root)]

    async def _write(self) -> list[Finding]:
        key = f"{self._probes}small"
        put = await self._put(key, _BODY)
        if isinstance(put, StoreError):
            return [] if put.kind is Kind.DENIED else [Finding("put", Level.FAILURE, False, put.reason)]
        again = await self._put(key, _BODY)
        honoured = isinstance(again, StoreError) and again.kind is Kind.CONFLICT
        found = "ifGenerationMatch is honoured" if honoured else "ifGenerationMatch is not honoured"
        wrong = await self._put(f"{self._probes}wrong", _BODY, damage=1)
        noticed = isinstance(wrong, StoreError) and wrong.kind is Kind.CORRUPT
        text = "a wrong one is refused" if noticed else "a wrong one is accepted"
        return [
            Finding("conditional put", Level.OK if honoured else Level.WARNING, honoured, found),
            Finding("checksum CRC32C", Level.OK if noticed else Level.WARNING, noticed, text),
        ]

    async def _put(self, key: str, data: bytes, *, damage: int = 0) -> StoreError | None:
        crc = crc32c(data, 0) ^ damage
        answer = await self._ask(_CREATE, self._requests.put(key, memoryview(data), crc))
        if answer is None:
            self._keys.add(key)
        return answer

    async def _read(self) -> list[Finding]:
        """Read our own object, or one that may not be there: then the refusal says whether it is allowed."""
        key = f"{self._probes}small"
        with tempfile.TemporaryFile() as file:
            await self._ask(_GET, self._requests.head(key))
            got = await self._ask(_GET, self._requests.get(key, file.fileno(), 2, 3))
            file.seek(0)
            ranged = file.read() == _BODY[2:5]
        if isinstance(got, StoreError):
            return []
        text = "given as asked" if ranged else "the server sends something else"
        return [Finding("ranges", Level.OK if ranged else Level.FAILURE, ranged, text)]

    async def _resume(self) -> list[Finding]:
        key = f"{self._probes}session"
        session = await self._ask(_CREATE, self._sessions.begin(key, _LARGE))
        if isinstance(session, StoreError):
            return [] if session.kind is Kind.DENIED else [_broken(session)]
        progress = await self._ask(_CREATE, self._sessions.progress(key, session, _LARGE))
        await self._ask(_CREATE, self._sessions.cancel(key, session))
        if isinstance(progress, StoreError):
            return [_broken(progress)]
        return [Finding("resuming", Level.OK, True, "the server says how far an upload got")]

    async def _measure(self) -> list[Finding]:
        rounds = []
        for number in range(_ROUNDS):
            began = time.perf_counter()
            if await self._put(f"{self._probes}small-{number}", bytes(_SMALL)):
                return []
            rounds.append(time.perf_counter() - began)
        latency = statistics.median(rounds)
        began = time.perf_counter()
        await self._put(f"{self._probes}large", bytes(_LARGE))
        rate = _LARGE / (time.perf_counter() - began)
        small = f"a PUT of 16 KiB takes {latency * 1000:.1f} ms (median)"
        large = f"one PUT of 8 MiB runs at {rate / (1 << 20):.1f} MiB/s"
        return [
            Finding("latency", Level.OK, round(latency, 4), small),
            Finding("throughput", Level.OK, round(rate), large),
        ]

    async def _delete(self) -> list[Finding]:
        refused = await self._remove(f"{self._probes}small")
        if refused:
            follows = "right for an uploader: only garbage collection deletes"
            return [Finding("delete", Level.NOTE, False, f"refused: {refused.reason}", follows)]
        return [Finding("delete", Level.OK, True, "permitted")]

    async def _remove(self, key: str) -> StoreError | None:
        refused = await self._ask(_DELETE, self._requests.delete(key))
        if refused is None:
            self._keys.discard(key)
        return refused


def _broken(error: StoreError) -> Finding:
    return Finding("resuming", Level.FAILURE, False, error.reason, "files over 8 MiB cannot be stored")
