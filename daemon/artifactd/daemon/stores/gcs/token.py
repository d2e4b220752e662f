"""The bearer token: fetched by the library's chain, kept while it is good, replaced when it is not."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import aiohttp
from gcloud.aio.auth import Token
from gcloud.aio.auth.token import TokenResponse
from jwt import PyJWTError

from artifactd.daemon.stores.base import Kind, StoreError

__all__ = ["Credentials"]

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_TIMEOUT = 10
_USED_SHARE = 0.9
"""How much of a token's life is used: the server's clock and the way there take the rest."""

_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, LookupError, TypeError, ValueError, PyJWTError)
"""What the library raises for credentials that are missing, malformed or refused."""


class Credentials:
    """Shared by all requests of a store, on one asyncio loop. `trusted` is what TLS trusts, None for the usual.

    The library's `Token` keeps a token too, but its callers share one task that any of them may cancel; so here
    each refresh makes a new one, which also reads a credentials file again that was replaced.
    """

    def __init__(self, trusted: ssl.SSLContext | None) -> None:
        self._trusted = trusted
        self._refreshing = asyncio.Lock()
        self._token: str | None = None
        self._good_until = 0.0

    async def token(self) -> str:
        """A token that is good for a while. Raises `StoreError` of kind `DENIED`."""
        async with self._refreshing:
            if self._token is None or time.monotonic() >= self._good_until:
                try:
                    fetched = await self._fetch()
                except _FAILURES as error:
                    reason = f"no credentials: {_explain(error)}"
                    raise StoreError(Kind.DENIED, "authenticate", "", reason) from None
                self._token = fetched.value
                self._good_until = time.monotonic() + fetched.expires_in * _USED_SHARE
            return self._token

    async def _fetch(self) -> TokenResponse:
        connector = aiohttp.TCPConnector(ssl=self._trusted or True)
        async with aiohttp.ClientSession(connector=connector, trust_env=True) as session:
            # Typed as a session of `requests` where that is installed; this build of the library takes aiohttp's.
            library_session: Any = session
            return await Token(session=library_session, scopes=[_SCOPE]).refresh(timeout=_TIMEOUT)

    def refused(self, token: str) -> None:
        """The server does not take this token any more."""
        if token == self._token:
            self._token = None


def _explain(error: Exception) -> str:
    """Why, without what the token server said: it may repeat what it was asked with."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the token server answered {error.status}"
    if isinstance(error, OSError):
        return str(error) or type(error).__name__
    return type(error).__name__
