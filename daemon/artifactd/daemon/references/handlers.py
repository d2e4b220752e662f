"""The table of schemes. What a scheme needs is imported when it is first met: the SDKs are large."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module

import trio

from artifactd.daemon.references.base import Handler
from artifactd.daemon.references.policy import Policy
from artifactd.daemon.stores.asyncio_bridge import Bridge
from artifactd.daemon.stores.s3.options import S3Options
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.references import scheme_of, shown

__all__ = ["Handlers"]

_MODULES = {"http": "http", "https": "http", "s3": "s3", "gs": "gs"}


class Handlers:
    """One handler per scheme; close it."""

    def __init__(self, bridge: Bridge, policy: Policy, s3: S3Options) -> None:
        self._bridge = bridge
        self._policy = policy
        self._s3_options = s3
        self._made: dict[str, Handler] = {}
        self._making = trio.Lock()
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def of(self, uri: str) -> Handler:
        """The handler of a URI. Raises `InvalidRequest` for a scheme that nobody looks up."""
        name = _MODULES.get(scheme_of(uri))
        if name is None:
            raise InvalidRequest("the daemon does not look this scheme up", subject=shown(uri))
        async with self._making:
            if name not in self._made:
                await trio.to_thread.run_sync(import_module, f"{__package__}.{name}")
                make = {"http": self._http, "s3": self._s3, "gs": self._gs}[name]
                self._made[name] = make()
        return self._made[name]

    def _http(self) -> Handler:
        from artifactd.daemon.references.http import Http

        return Http(self._bridge, self._policy)

    def _s3(self) -> Handler:
        from artifactd.daemon.references.s3 import S3
        from artifactd.daemon.stores.remote.s3 import RemoteS3

        remote = RemoteS3(self._s3_options)
        self._closers.append(lambda: self._bridge.call(remote.aclose))
        return S3(self._bridge, self._policy, remote)

    def _gs(self) -> Handler:
        from artifactd.daemon.references.gs import Gs
        from artifactd.daemon.stores.remote.gs import RemoteGs

        remote = RemoteGs()
        self._closers.append(lambda: self._bridge.call(remote.aclose))
        return Gs(self._bridge, self._policy, remote)

    async def aclose(self) -> None:
        """Release connections. No call may be under way."""
        for close in self._closers:
            await close()
