"""A proxy before the daemon's socket that loses replies: the daemon has done what was asked, and nobody hears."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from artifactd.protocol.codec import decode_envelope
from artifactd.protocol.messages import TAGS, Message

__all__ = ["ForgetfulProxy", "forgetful_proxy"]

_GLANCE_MS = 10


class ForgetfulProxy:
    """A running proxy on `path`; `lose` makes it forgetful."""

    def __init__(self, path: Path, upstream: Path) -> None:
        self.path = path
        self.asked: dict[type[Message], list[tuple[bytes, float]]] = defaultdict(list)
        """The ids of all requests that passed and when (Unix seconds), by their kind."""
        self._upstream = upstream
        self._to_lose: Counter[type[Message]] = Counter()
        self._stop = threading.Event()

    def lose(self, kind: type[Message]) -> None:
        """Lose the reply to the next request of this kind."""
        self._to_lose[kind] += 1

    def run(self, ready: threading.Event) -> None:
        """Serve until `stop`."""
        context = zmq.Context()
        context.setsockopt(zmq.LINGER, 0)
        front = context.socket(zmq.ROUTER)
        front.bind(f"ipc://{self.path}")
        # One connection to the daemon for each of a client's, as if nothing were between them.
        routes: dict[bytes, zmq.Socket[bytes]] = {}
        ready.set()
        while not self._stop.is_set():
            if front.poll(_GLANCE_MS):
                route, *frames = front.recv_multipart()
                if route not in routes:
                    routes[route] = context.socket(zmq.DEALER)
                    routes[route].connect(f"ipc://{self._upstream}")
                envelope = decode_envelope(frames[0])
                self.asked[TAGS[envelope.tag]].append((envelope.request_id, time.time()))
                routes[route].send_multipart(frames)
            for route, back in routes.items():
                while back.poll(0):
                    frames = back.recv_multipart()
                    if not self._forgets(decode_envelope(frames[0]).request_id):
                        front.send_multipart([route, *frames])
        context.destroy()

    def stop(self) -> None:
        self._stop.set()

    def _forgets(self, request_id: bytes) -> bool:
        kind = next(kind for kind, ids in self.asked.items() if any(request_id == id for id, _ in ids))
        if not self._to_lose[kind]:
            return False
        self._to_lose[kind] -= 1
        return True


@contextmanager
def forgetful_proxy(path: Path, upstream: Path) -> Iterator[ForgetfulProxy]:
    """Serve the daemon at the socket `upstream` on the socket `path` as well."""
    proxy, ready = ForgetfulProxy(path, upstream), threading.Event()
    thread = threading.Thread(target=proxy.run, args=(ready,))
    thread.start()
    try:
        ready.wait()
        yield proxy
    finally:
        proxy.stop()
        thread.join()
