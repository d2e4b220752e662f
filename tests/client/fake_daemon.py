"""A daemon of a few lines, for what a real one cannot be made to do: lose a reply, hang, answer wrongly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import zmq

from artifactd.protocol.codec import decode_body, decode_envelope, encode
from artifactd.protocol.messages import Accepted, Done, Hello, Message, Submit, Welcome

Handler = Callable[[Message], Message | None]


class FakeDaemon:
    """Serves one socket from a thread. `handler` answers what the fake does not know; None is a lost reply."""

    def __init__(self, home: Path, *, in_place: bool = True, inline_manifest: int = 64 << 10) -> None:
        self.path = home / "d.sock"
        self.spool = home / "spool"
        self.spool.mkdir()
        self.reserve = 0
        self.in_place = in_place
        self.inline_manifest = inline_manifest
        self.features: tuple[str, ...] = ()
        self.handler: Handler = lambda message: None
        self.lose = 0
        """So many replies to `Submit` are lost from now on."""
        self.received: list[tuple[bytes, Message]] = []
        self.major = 1
        self.duplicates = 1
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def __enter__(self) -> FakeDaemon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._stop.clear()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,))
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Die: the socket is gone when this returns."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def submits(self) -> list[Submit]:
        return [message for _, message in self.received if isinstance(message, Submit)]

    def _serve(self, ready: threading.Event) -> None:
        context = zmq.Context()
        socket = context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.bind(f"ipc://{self.path}")
        ready.set()
        while not self._stop.is_set():
            if not socket.poll(10):
                continue
            route, head, *body = socket.recv_multipart()
            envelope = decode_envelope(head)
            message = decode_body(envelope.tag, body)
            self.received.append((envelope.request_id, message))
            reply = self._answer(message)
            if reply is not None:
                frames = encode(reply, envelope.request_id)
                if self.major != 1:
                    frames[0] = frames[0].replace(b"\x94\x01", bytes([0x94, self.major]), 1)
                for _ in range(self.duplicates):
                    socket.send_multipart([route, *frames])
        socket.close()
        context.term()
        self.path.unlink(missing_ok=True)

    def _answer(self, message: Message) -> Message | None:
        match message:
            case Hello():
                return Welcome(
                    daemon_version="fake",
                    features=self.features,
                    spool=str(self.spool),
                    reserve=self.reserve,
                    in_place=self.in_place,
                    inline_manifest=self.inline_manifest,
                )
            case Submit() if self.lose:
                self.lose -= 1
                return None
        reply = self.handler(message)
        if reply is None and isinstance(message, Submit):
            return Accepted(id=message.id, position=1)
        return reply


def always_done(message: Message) -> Message | None:
    return None if isinstance(message, Submit) else Done()
