"""The SDK's chain of credentials, asked anew when the server refuses what it gave.

The SDK itself refreshes credentials that say when they expire (roles, instances, processes, single sign-on). Keys
from a file or the environment it reads once, and would go on with after an administrator has replaced them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession

from artifactd.daemon.stores.base import Kind
from artifactd.daemon.stores.s3.errors import kind_of_answer

__all__ = ["Credentials"]

_FORGET_SECONDS = 1.0
"""Credentials so young were found after the refused request was signed, or it does not help to look again."""


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
        """The keys for one signature, or None if there are none. Raises what the SDK does when finding fails."""
        async with self._finding:
            if self._found is None:
                # Only a session of its own reads files and environment again.
                self._found = await AioSession().get_credentials()
                self._found_at = time.monotonic()
            found = self._found
        return None if found is None else await found.get_frozen_credentials()

    def see(self, parsed: dict[str, Any], **_: Any) -> None:
        """Handler of `after-call.s3`: let go of what was refused."""
        refused = "Error" in parsed and kind_of_answer(parsed, "") is Kind.DENIED
        if refused and time.monotonic() - self._found_at > _FORGET_SECONDS:
            self._found = None
