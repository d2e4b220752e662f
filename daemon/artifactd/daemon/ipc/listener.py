"""Takes requests off the socket and hands each to its handler.

Submissions are posted to the journal straight from here, in the order in which they arrived, a whole batch
into one transaction; every other request gets a task of its own, since it may wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
import trio

from artifactd.daemon.catalog.records import CatalogUnavailable
from artifactd.daemon.ipc.access import Peer, admit
from artifactd.daemon.ipc.wire import decode
from artifactd.daemon.ipc.zsocket import Received, RouterSocket
from artifactd.daemon.queue.results import failure_of
from artifactd.protocol import errors
from artifactd.protocol.codec import check_major, decode_envelope, encode
from artifactd.protocol.errors import ArtifactdError, Denied, InvalidRequest
from artifactd.protocol.messages import Message, Submit

__all__ = ["Handler", "Listener", "SubmitHandler"]

Handler = Callable[[Peer, Any], Awaitable[Message]]
"""Answers one kind of request. Raises `ArtifactdError` to refuse it."""

SubmitHandler = Callable[[Peer, Submit, Callable[[Message], None]], None]
"""Posts a submission to the journal; calls back with the answer once that is written."""

MAX_REPLY_FRAMES = 64
BATCH = 256

_LATER = "try again later; `artifactd status` tells how the catalog is"

log = structlog.get_logger()


class Listener:
    """Serves one socket. `handlers` answers by message type; `submit` takes submissions."""

    def __init__(
        self, socket: RouterSocket, handlers: Mapping[type[Message], Handler], submit: SubmitHandler, limit: int
    ) -> None:
        self._socket = socket
        self._handlers = handlers
        self._submit = submit
        self._free = trio.CapacityLimiter(limit)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                for received in await self._socket.receive(BATCH):
                    self._dispatch(received, nursery)

    def _dispatch(self, received: Received, nursery: trio.Nursery) -> None:
        request_id = b"\0" * 16
        try:
            head, *body = received.frames or [b""]
            envelope = decode_envelope(head)
            request_id = envelope.request_id
            check_major(envelope)
            peer = admit(received.address)
            message = decode(envelope.tag, body)
            reply = partial(self._reply, received.route, request_id)
            if isinstance(message, Submit):
                self._submit(peer, message, reply)
            elif handler := self._handlers.get(type(message)):
                nursery.start_soon(self._answer, handler, peer, message, reply)
            else:
                raise InvalidRequest(f"{type(message).__name__} is not a request")
        except ArtifactdError as error:
            if isinstance(error, Denied):
                log.warning("request denied", peer=received.address, reason=error.message)
            self._reply(received.route, request_id, failure_of(error))

    async def _answer(
        self, handler: Handler, peer: Peer, message: Message, reply: Callable[[Message], None]
    ) -> None:
        async with self._free:
            try:
                answer = await handler(peer, message)
            except ArtifactdError as error:
                answer = failure_of(error)
            except CatalogUnavailable as error:
                answer = failure_of(errors.CatalogUnavailable(str(error), remedy=_LATER))
        reply(answer)

    def _reply(self, route: bytes, request_id: bytes, message: Message) -> None:
        try:
            frames = encode(message, request_id, max_frames=MAX_REPLY_FRAMES)
        except InvalidRequest as error:
            frames = encode(failure_of(error), request_id)
        self._socket.send(route, frames)
