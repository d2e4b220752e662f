"""The SDK's HTTP session, which here leaves redirects to the SDK, and no connection behind."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from yarl import URL

from artifactd.daemon.stores.buckets.sockets import Sockets
from artifactd.daemon.stores.s3.wire import Wire

__all__ = ["Direct", "HttpSession"]


class HttpSession(AIOHTTPSession):  # type: ignore[misc]
    """aiohttp would follow a redirect itself, with a body that is gone and a signature for another server.

    The SDK follows a bucket to its region, and signs again.
    """

    def __init__(self, *args: Any, connector_args: dict[str, Any] | None = None, **more: Any) -> None:
        self._sockets = Sockets()
        connector_args = {**(connector_args or {}), "socket_factory": self._sockets}
        super().__init__(*args, connector_args=connector_args, **more)

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        await self._sockets.cut_off()

    async def _get_session(self, proxy_url: str | None) -> Direct:
        return Direct(await super()._get_session(proxy_url))


class Direct:
    """Requests through one session that end where they are sent."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, method: str, **arguments: Any) -> Awaitable[aiohttp.ClientResponse]:
        """See `aiohttp.ClientSession.request`."""
        return self._session.request(method, allow_redirects=False, **arguments)

    def wire(self, url: URL) -> Wire:
        """A way for small PUTs to the server of `url`, on the session's connections."""
        return Wire(self._session, url)
