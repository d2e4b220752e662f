"""The SDK's chain of credentials, asked anew when the server refuses what it gave.

The SDK itself refreshes credentials that say when they expire (roles, instances, processes, single sign-on). Keys
from a file or the environment it reads once, and would go on with after an administrator has replaced them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError

from artifactd.daemon.store_url import without_secrets
from artifactd.daemon.stores.base import Kind
from artifactd.daemon.stores.s3.errors import kind_of_answer

__all__ = ["Credentials"]

_FORGET_SECONDS = 1.0
"""Credentials so young were found after the refused request was signed, or it does not help to look again."""


_FAILURES = (
    BotoCoreError,
    ClientError,
    aiohttp.ClientError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
)
"""What the SDK raises for files, programs and servers of credentials that fail, or say what it cannot read."""


class _NotFound(CredentialRetrievalError):  # type: ignore[misc]
    fmt = "no credentials: {error_msg}"


class Credentials(AioCredentials):  # type: ignore[misc]
    """What the SDK takes for one set of credentials, and for the chain that finds it."""

    def __init__(self) -> None:
        super().__init__("", "", method="artifactd")
        self._found: Any = None
        self._found_at = 0.0
        self._finding = asyncio.Lock()

    async def load_credentials(self) -> Credentials:
        return self

    async def get_frozen_credentials(self) -> Any:
        """The keys for one signature, or None if there are none.

        Raises `CredentialRetrievalError` where finding or refreshing them fails; the chain is asked anew then.
        """
        try:
            found = await self._find()
            return None if found is None else await found.get_frozen_credentials()
        except _FAILURES as error:
            self._found = None
            raise _NotFound(provider="", error_msg=_explain(error)) from None

    async def _find(self) -> Any:
        async with self._finding:
            if self._found is None:
                # Only a session of its own reads files and environment again.
                self._found = await AioSession().get_credentials()
                self._found_at = time.monotonic()
            return self._found

    def see(self, parsed: dict[str, Any], **_: Any) -> None:
        """Handler of `after-call.s3`: let go of what was refused."""
        refused = "Error" in parsed and kind_of_answer(parsed, "") is Kind.DENIED
        if refused and time.monotonic() - self._found_at > _FORGET_SECONDS:
            self._found = None


def _explain(error: Exception) -> str:
    """Why, without what programs and servers of credentials said: it may repeat what they were asked with."""
    if isinstance(error, ClientError):
        return f"{error.operation_name} was answered {error.response.get('Error', {}).get('Code')}"
    if isinstance(error, CredentialRetrievalError):
        return f"{error.kwargs.get('provider')} failed: artifactd doctor says more"
    if isinstance(error, BotoCoreError | OSError):
        return without_secrets(str(error))
    return f"what gives them said nothing that can be used ({type(error).__name__})"
