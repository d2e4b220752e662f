"""A ZeroMQ ROUTER on trio. The only file that knows that the socket's file descriptor is edge-triggered.

Any call on the socket may consume the edge of its descriptor, so after each one the level (`ZMQ_EVENTS`) is
read again and whoever can go on is woken. See ZMQ_FD in zmq_getsockopt(3).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
import zmq

__all__ = ["Received", "RouterSocket", "open_router"]

RECEIVE_HIGH_WATER = 16
SEND_HIGH_WATER = 1_000


@dataclass(frozen=True, slots=True)
class Received:
    """One message of one peer. `address` is what the kernel says of the peer: `host:UID:GID:PID`."""

    route: bytes
    address: str
    frames: list[bytes]


class RouterSocket:
    """Receives in batches and sends without ever waiting for a slow peer."""

    def __init__(self, socket: zmq.Socket[bytes], max_frames: int) -> None:
        self._socket = socket
        self._max_frames = max_frames
        self._fd = int(socket.getsockopt(zmq.FD))
        self._readable = trio.lowlevel.ParkingLot()

    async def _pump(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            self._after_call()

    def _after_call(self) -> None:
        if not self._socket.closed and self._has_message():
            self._readable.unpark()

    def _has_message(self) -> bool:
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    async def receive(self, limit: int) -> list[Received]:
        """Wait for a message, then take what else is there, at most `limit`. Cancelling loses nothing."""
        await trio.lowlevel.checkpoint()
        while not (batch := self._take(limit)):
            # A message that came after the take, and whose edge the take's own look consumed, wakes nobody.
            if not self._has_message():
                await self._readable.park()
        return batch

    def _take(self, limit: int) -> list[Received]:
        batch: list[Received] = []
        try:
            while len(batch) < limit:
                route = self._socket.recv(zmq.NOBLOCK, copy=False)
                frames = self._socket.recv_multipart(zmq.NOBLOCK) if route.more else []
                if len(frames) <= self._max_frames:
                    batch.append(Received(route.bytes, _peer_address(route), frames))
        except zmq.Again:
            pass
        finally:
            self._after_call()
        return batch

    def send(self, route: bytes, frames: Sequence[bytes]) -> None:
        """Send, or drop the message when the peer is gone or does not read, or we closed: it will ask again."""
        if self._socket.closed:
            return
        try:
            self._socket.send_multipart([route, *frames], zmq.NOBLOCK)
        except (zmq.Again, zmq.ZMQError) as error:
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise
        finally:
            self._after_call()


def _peer_address(frame: zmq.Frame) -> str:
    # libzmq fills this in from SO_PEERCRED of the connection; a frame's sender cannot set it.
    address = frame.get("Peer-Address")
    return address if isinstance(address, str) else ""


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _bind(socket: zmq.Socket[bytes], path: Path) -> None:
    _remove(path)
    socket.bind(f"ipc://{path}")
    path.chmod(0o600)


@asynccontextmanager
async def open_router(path: Path, *, max_frame: int, max_frames: int) -> AsyncIterator[RouterSocket]:
    """Bind a ROUTER to a unix socket, for its owner only. The caller holds the lock that makes it the only one."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    try:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.MAXMSGSIZE, max_frame)
        socket.setsockopt(zmq.RCVHWM, RECEIVE_HIGH_WATER)
        socket.setsockopt(zmq.SNDHWM, SEND_HIGH_WATER)
        socket.setsockopt(zmq.LINGER, 1_000)
        _bind(socket, path)
        async with trio.open_nursery() as nursery:
            router = RouterSocket(socket, max_frames)
            nursery.start_soon(router._pump)
            try:
                yield router
            finally:
                nursery.cancel_scope.cancel()
                trio.lowlevel.notify_closing(router._fd)
    finally:
        socket.close()
        _remove(path)
        context.term()
