"""The sockets of this process: a DEALER per thread and daemon, forgotten after a fork.

zmq sockets belong to one thread and to one process. A connection that is in use is out of its thread's
keeping, so whatever interrupts a request (Ctrl-C, an error) drops it, never leaving half a message in it.
"""

from __future__ import annotations

import atexit
import itertools
import os
import socket as unix
import threading
import time
import weakref
from typing import Any

from artifactd.protocol.codec import check_major, decode_body, decode_envelope, encode
from artifactd.protocol.errors import InvalidRequest, from_code
from artifactd.protocol.messages import Failure, Hello, Message, Welcome

__all__ = ["Connection", "keep", "next_in_lane", "now", "probe", "take"]

_LIVENESS = 0.25
"""Seconds between looks at whether the daemon's side of a silent connection is still there."""
_LINGER_MS = 200


def now() -> float:
    """Seconds on CLOCK_BOOTTIME: the clock that the daemon judges deadlines by."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Thread(threading.local):
    """What one thread owns. Its connections are closed when it ends."""

    def __init__(self) -> None:
        self.lane = os.urandom(16)
        self.seq = itertools.count(1)
        self.connections: dict[str, Connection] = {}


class _Process:
    """What must never be shared with a forked child: the zmq context and every thread's sockets."""

    def __init__(self) -> None:
        self.thread = _Thread()
        self.lock = threading.Lock()
        self.context: Any = None

    def socket(self) -> Any:
        import zmq  # costs 15 ms, which a program that only imports the client shall not pay

        with self.lock:
            if self.context is None:
                self.context = zmq.Context()
                atexit.register(_close_at_exit, self)
        dealer = self.context.socket(zmq.DEALER)
        # With IMMEDIATE and no reconnection a socket is writable exactly while its peer is connected.
        dealer.setsockopt(zmq.IMMEDIATE, 1)
        dealer.setsockopt(zmq.RECONNECT_IVL, -1)
        dealer.setsockopt(zmq.LINGER, _LINGER_MS)
        return dealer


_process = _Process()
_buried: list[object] = []
"""The parent's objects in a forked child: kept, because even collecting them would touch the parent's sockets."""


def _forget_parent() -> None:
    global _process
    _buried.append(_process)
    _process = _Process()


os.register_at_fork(after_in_child=_forget_parent)


def _close_at_exit(process: _Process) -> None:
    # Only this thread's: closing a socket under a daemon thread that polls it would abort the process.
    if process is _process:
        for connection in process.thread.connections.values():
            connection.close()


def _close(socket: Any, pid: int) -> None:
    if os.getpid() == pid:
        socket.close()
    else:
        _buried.append(socket)


def take(path: str) -> Connection | None:
    """Take the calling thread's idle connection to `path`, if it has one; the caller owns it then."""
    return _process.thread.connections.pop(path, None)


def keep(connection: Connection) -> None:
    """Give a healthy connection back, for this thread's next request."""
    _process.thread.connections[connection.path] = connection


def next_in_lane() -> tuple[bytes, int]:
    """The calling thread's lane and the next number in it; a forked child starts lanes of its own."""
    thread = _process.thread
    return thread.lane, next(thread.seq)


class Connection:
    """One DEALER connected to the daemon at `path`, greeted: `welcome` is what the daemon said."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.welcome: Welcome
        self._socket = _process.socket()
        self.close = weakref.finalize(self, _close, self._socket, os.getpid())
        """Close the socket; safe to call twice."""
        self.close.atexit = False

    @classmethod
    def open(cls, path: str, client_version: str, until: float) -> Connection | None:
        """Connect and greet. None if nobody answered by `until` (see `now`).

        Raises the daemon's refusal as the error it names.
        """
        connection = cls(path)
        connection._socket.connect(f"ipc://{path}")
        reply = None
        if connection._writable(until - now()):
            request_id = os.urandom(16)
            reply = connection.ask(encode(Hello(client_version=client_version), request_id), request_id, until)
        if reply is None:
            connection.close()
            return None
        if not isinstance(reply, Welcome):
            raise InvalidRequest(f"the daemon greeted with {type(reply).__name__}", subject=path)
        connection.welcome = reply
        return connection

    def ask(self, frames: list[bytes], request_id: bytes, until: float) -> Message | None:
        """Send a request and return its reply, or None once `until` passed or the daemon is gone.

        Replies to other requests are skipped. A `Failure` is raised as the error it names.
        """
        import zmq

        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return None
        while (left := until - now()) > 0:
            if self._socket.poll(max(1, int(min(left, _LIVENESS) * 1000))):
                head, *body = self._socket.recv_multipart(zmq.NOBLOCK)
                envelope = decode_envelope(head)
                if envelope.request_id == request_id:
                    check_major(envelope)
                    return _reply(decode_body(envelope.tag, body))
            elif not self._writable(0):
                return None
        return None

    def _writable(self, timeout: float) -> bool:
        """Whether the peer is connected, waiting up to `timeout` seconds for it."""
        import zmq

        return bool(self._socket.poll(max(0, int(timeout * 1000)), zmq.POLLOUT))


def _reply(message: Message) -> Message:
    if isinstance(message, Failure):
        raise from_code(message.code, message.message, subject=message.subject, remedy=message.remedy)
    return message


def probe(path: str, timeout: float) -> None:
    """Raise `OSError` unless something listens on the unix socket `path`.

    zmq's own connect succeeds when nobody does; this one tells in microseconds.
    """
    with unix.socket(unix.AF_UNIX) as knock:
        knock.settimeout(max(0.001, timeout))
        knock.connect(path)
