"""An S3 server that answers as a test says, where no real one can be brought to."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

__all__ = ["Answer", "Request", "certificate", "error", "open_server"]

_PIECE = 64 << 10


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """`cut` closes the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("ETag", '"etag"'),)
    cut: bool = False


def error(code: str, status: int) -> Answer:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>because</Message></Error>'
    return Answer(status, body.encode())


def certificate(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the file with the certificate to trust."""
    key, cert = directory / "key.pem", directory / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context, cert


@asynccontextmanager
async def open_server(
    answer: Callable[[Request], Answer],
    *,
    pause: float = 0.0,
    stop_at: int | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Yield the endpoint. A body is read with a `pause` after each 64 KiB, and no more once `stop_at`
    bytes of it have come."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        # Small, so that what the reader does not read does not disappear in buffers.
        listeners[0].socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, _PIECE)
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, partial(_serve, answer, pause, stop_at, tls), listeners)
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


async def _serve(
    answer: Callable[[Request], Answer],
    pause: float,
    stop_at: int | None,
    tls: ssl.SSLContext | None,
    connection: trio.SocketStream,
) -> None:
    stream: trio.abc.Stream = connection
    if tls:
        stream = trio.SSLStream(connection, tls, server_side=True, https_compatible=True)
    async with stream:
        try:
            while head := await _head(stream):
                raw, _, rest = head.partition(b"\r\n\r\n")
                first, *lines = raw.decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = bytearray(rest)
                while len(body) < int(headers.get("content-length", 0)):
                    if stop_at is not None and len(body) >= stop_at:
                        await trio.sleep_forever()
                    piece = await stream.receive_some(_PIECE)
                    if not piece:
                        return
                    body += piece
                    await trio.sleep(pause)
                if stop_at is not None and len(body) >= stop_at:
                    await trio.sleep_forever()
                method, target, _ = first.split(" ")
                reply = answer(Request(method, target, headers, bytes(body)))
                if reply.cut:
                    return
                fields = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
                if not any(name == "Content-Length" for name, _ in reply.headers):
                    fields += f"Content-Length: {len(reply.body)}\r\n"
                await stream.send_all(f"HTTP/1.1 {reply.status} x\r\n{fields}\r\n".encode() + reply.body)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


async def _head(stream: trio.abc.Stream) -> bytes:
    """All up to the end of the headers, and what came with it; nothing at the end of the connection."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await stream.receive_some(_PIECE)
        if not piece:
            return b""
        head += piece
    return head
