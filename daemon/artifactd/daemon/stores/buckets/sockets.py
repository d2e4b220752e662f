"""The sockets of an HTTP session, known until they are closed."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any
from weakref import WeakSet

__all__ = ["Sockets"]

_TURN = 0.01
_TURNS = 200
"""How often the loop may turn, so many seconds apart, until it has noticed; once does, as a rule."""


class Sockets:
    """aiohttp's `socket_factory`. For use on one asyncio loop.

    A TLS connection that was given up waits in the background for the peer's farewell, half a minute long, and a
    loop with such a one does not close. It is in no pool any more: its socket is where it can be ended.
    """

    def __init__(self) -> None:
        self._made: WeakSet[socket.socket] = WeakSet()

    def __call__(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        self._made.add(made)
        return made

    async def cut_off(self) -> None:
        """End the connections that are left, and wait until their transports are closed."""
        for left in list(self._made):
            with suppress(OSError):
                left.shutdown(socket.SHUT_RDWR)
        for _ in range(_TURNS):
            if all(left.fileno() < 0 for left in self._made):
                return
            await asyncio.sleep(_TURN)
