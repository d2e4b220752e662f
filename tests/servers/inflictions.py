"""How each fault is done to one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from aiohttp import web

from servers.exchange import PIECES, Answer, Exchange
from servers.faults import Fault

__all__ = ["inflict"]

Infliction = Callable[[Exchange], Awaitable[web.StreamResponse]]
Change = Callable[[Answer], Answer]


def inflict(fault: Fault | None, exchange: Exchange) -> Awaitable[web.StreamResponse]:
    """Answer the request as `fault` has it; None passes it on."""
    return _INFLICTIONS[fault](exchange)


def _error(status: int, code: str, message: str = "injected") -> Answer:
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return _document(status, "application/xml", text)


def _document(status: int, content_type: str, text: str) -> Answer:
    body = text.encode()
    return Answer(status, {"Content-Type": content_type}, body, len(body))


def _flipped(body: bytes) -> bytes:
    """One bit is another, in the middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _half_document(answer: Answer) -> Answer:
    half = answer.body[: len(answer.body) // 2]
    return replace(answer, body=half, length=len(half))


async def _pass(exchange: Exchange, change: Change = lambda answer: answer) -> web.StreamResponse:
    return await exchange.answer(change(await exchange.send(await exchange.body())))


async def _refuse(exchange: Exchange, answer: Answer) -> web.StreamResponse:
    await exchange.body()
    # There is no body in the answer to a HEAD.
    return await exchange.answer(replace(answer, body=b"") if exchange.request.method == "HEAD" else answer)


async def _telltale(exchange: Exchange) -> web.StreamResponse:
    told = [exchange.request.headers.get(name, "") for name in ("Authorization", "X-Amz-Security-Token")]
    return await _refuse(exchange, _error(403, "InvalidAccessKeyId", f"{told} at {exchange.request.raw_path}"))


async def _reset(exchange: Exchange) -> web.StreamResponse:
    return exchange.reset()


async def _cut_request(exchange: Exchange) -> web.StreamResponse:
    await exchange.send_cut(await exchange.half())
    return exchange.reset()


async def _stalled_request(exchange: Exchange) -> web.StreamResponse:
    await exchange.half()
    return await exchange.stall()


async def _damaged_request(exchange: Exchange) -> web.StreamResponse:
    return await exchange.answer(await exchange.send(_flipped(await exchange.body())))


async def _slow_request(exchange: Exchange) -> web.StreamResponse:
    return await exchange.answer(await exchange.send(await exchange.body_slowly()))


async def _lost_answer(exchange: Exchange) -> web.StreamResponse:
    await exchange.send(await exchange.body())
    return exchange.reset()


async def _other_answer(exchange: Exchange, answer: Answer) -> web.StreamResponse:
    await exchange.send(await exchange.body())
    return await exchange.answer(answer)


async def _stalled_answer(exchange: Exchange) -> web.StreamResponse:
    await exchange.send(await exchange.body())
    return await exchange.stall()


async def _twice(exchange: Exchange) -> web.StreamResponse:
    body = await exchange.body()
    await exchange.send(body)
    return await exchange.answer(await exchange.send(body))


async def _stalled_download(exchange: Exchange) -> web.StreamResponse:
    answer = await exchange.send(b"")
    await exchange.answer(replace(answer, body=answer.body[: len(answer.body) // 2]))
    return await exchange.stall()


async def _slow_download(exchange: Exchange) -> web.StreamResponse:
    return await exchange.answer(await exchange.send(b""), PIECES)


_INTERNAL = _error(500, "InternalError")
_NO_UPLOAD = _error(404, "NoSuchUpload")
_INFLICTIONS: dict[Fault | None, Infliction] = {
    None: _pass,
    Fault.SLOW_DOWN: partial(_refuse, answer=_error(503, "SlowDown")),
    Fault.TOO_MANY: partial(_refuse, answer=_error(429, "TooManyRequests")),
    Fault.INTERNAL: partial(_refuse, answer=_INTERNAL),
    Fault.BAD_GATEWAY: partial(_refuse, answer=_document(502, "text/html", "<html><br>Bad Gateway</html>")),
    Fault.EXPIRED: partial(_refuse, answer=_error(403, "ExpiredToken")),
    Fault.SKEWED: partial(_refuse, answer=_error(403, "RequestTimeTooSkewed")),
    Fault.DENIED: partial(_refuse, answer=_error(403, "AccessDenied")),
    Fault.TELLTALE: _telltale,
    Fault.GONE: partial(_refuse, answer=_NO_UPLOAD),
    Fault.RESET: _reset,
    Fault.ERROR_IN_200: partial(_refuse, answer=_error(200, "InternalError")),
    Fault.CUT_REQUEST: _cut_request,
    Fault.STALLED_REQUEST: _stalled_request,
    Fault.DAMAGED_REQUEST: _damaged_request,
    Fault.SLOW_REQUEST: _slow_request,
    Fault.LOST_ANSWER: _lost_answer,
    Fault.FAILED_ANSWER: partial(_other_answer, answer=_INTERNAL),
    Fault.GONE_ANSWER: partial(_other_answer, answer=_NO_UPLOAD),
    Fault.ERROR_IN_200_ANSWER: partial(_other_answer, answer=_error(200, "InternalError")),
    Fault.STALLED_ANSWER: _stalled_answer,
    Fault.BROKEN_ANSWER: partial(_pass, change=_half_document),
    Fault.TWICE: _twice,
    Fault.DAMAGED_DOWNLOAD: partial(_pass, change=lambda answer: replace(answer, body=_flipped(answer.body))),
    Fault.SHORT_DOWNLOAD: partial(
        _pass, change=lambda answer: replace(answer, body=answer.body[: len(answer.body) // 2])
    ),
    Fault.STALLED_DOWNLOAD: _stalled_download,
    Fault.SLOW_DOWNLOAD: _slow_download,
    Fault.STALE_NOTHING: partial(_refuse, answer=_error(404, "NoSuchKey")),
    Fault.STALE_SIZE: partial(_pass, change=lambda answer: replace(answer, length=max(0, answer.length - 1))),
}
