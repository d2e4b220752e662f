"""Requests to one daemon: sent until they are answered, over whatever connection is alive."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TypeVar

from artifactd.client._connection import Connection, keep, now, probe, take
from artifactd.protocol.codec import encode
from artifactd.protocol.endpoint import check_socket_path
from artifactd.protocol.errors import CatalogUnavailable, DaemonUnavailable, InvalidRequest, ProtocolMismatch
from artifactd.protocol.messages import Message, Welcome

__all__ = ["Link"]

_FIRST_CONTACT = 0.8
"""Seconds in which a daemon that was never reached has to greet."""
_RESEND = 1.0
"""Seconds without an answer until a request is sent again; doubled each time up to `_RESEND_MAX`."""
_RESEND_MAX = 8.0
_KNOCK = 0.05
_CATALOG_PAUSE = 0.5
"""Seconds between attempts while the daemon's catalog does not answer."""
_START = "start a daemon with `artifactd serve`"
_STUCK = "see what it is doing with `artifactd status`"

Reply = TypeVar("Reply", bound=Message)


class Link:
    """The way to the daemon at one socket; usable from every thread and after a fork.

    `timeout` is how long, in seconds, a request waits for a daemon that was reached before, and for its catalog.
    """

    def __init__(self, socket: Path, timeout: float) -> None:
        self.socket = str(check_socket_path(socket))
        self.timeout = timeout
        self._welcome: Welcome | None = None

    def __repr__(self) -> str:
        return f"Link({self.socket!r})"

    def welcome(self) -> Welcome:
        """What the daemon said when it was last greeted; greets it if that never happened."""
        if self._welcome is None:
            keep(self._connect(now() + self.timeout))
        assert self._welcome is not None
        return self._welcome

    def require(self, feature: str) -> None:
        """Raise `ProtocolMismatch` unless the daemon knows `feature`: it would ignore what asks for it."""
        if feature not in self.welcome().features:
            raise ProtocolMismatch(
                f"the daemon on {self.socket} is older than this client: it lacks {feature!r}",
                remedy="restart it with the client's release",
            )

    def request(
        self,
        message: Message,
        expect: type[Reply],
        *,
        patience: float = 0.0,
        deadline: float | None = None,
    ) -> Reply:
        """Send `message` and return the reply, of type `expect`.

        It is sent again, with the same id, until it is answered. `patience` is how long the daemon may
        hold the answer back by agreement (a long poll). Gives up at `deadline` (see `now`), by default
        after `timeout` and `patience`.

        Raises `DaemonUnavailable`, `CatalogUnavailable` once its catalog was away for as long, the daemon's
        refusal as the error it names, and `InvalidRequest` for a message too large or an answer of the wrong
        type. Ctrl-C leaves nothing behind.
        """
        request_id = os.urandom(16)
        frames = encode(message, request_id)
        end = now() + self.timeout + patience if deadline is None else deadline
        resend = _RESEND
        while True:
            # A daemon that is away holds nothing back: it gets no patience.
            connection = self._connect(end if deadline is not None else min(end, now() + self.timeout))
            try:
                reply = connection.ask(frames, request_id, min(end, now() + patience + resend))
            except CatalogUnavailable:
                if now() + _CATALOG_PAUSE >= end:
                    raise
                keep(connection)
                time.sleep(_CATALOG_PAUSE)
                continue
            if reply is not None:
                keep(connection)
                if not isinstance(reply, expect):
                    raise InvalidRequest(f"{type(message).__name__} was answered by {type(reply).__name__}")
                return reply
            connection.close()
            if now() >= end:
                raise DaemonUnavailable(f"the daemon on {self.socket} does not answer", remedy=_STUCK)
            resend = min(2 * resend, _RESEND_MAX)

    def close(self) -> None:
        """Close the calling thread's connection; those of other threads end with their threads."""
        connection = take(self.socket)
        if connection is not None:
            connection.close()

    def _connect(self, end: float) -> Connection:
        connection = take(self.socket)
        while connection is None:
            connection, problem = self._greet(end)
            if connection is not None:
                break
            if self._welcome is None:
                raise DaemonUnavailable(f"no daemon answers on {self.socket}: {problem}", remedy=_START)
            if now() + _KNOCK >= end:
                raise DaemonUnavailable(f"the daemon on {self.socket} did not return: {problem}", remedy=_START)
            time.sleep(_KNOCK)
        self._welcome = connection.welcome
        return connection

    def _greet(self, end: float) -> tuple[Connection | None, str]:
        from artifactd.client import __version__

        until = min(end, now() + (_FIRST_CONTACT if self._welcome is None else _RESEND))
        try:
            probe(self.socket, until - now())
        except TimeoutError:
            return None, "it does not accept connections"
        except ConnectionRefusedError:
            return None, "nothing listens there"
        except OSError as error:
            return None, error.strerror or str(error)
        return Connection.open(self.socket, __version__, until), "it accepts connections but does not answer"
