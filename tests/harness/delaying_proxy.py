"""A proxy before an S3 server that delays uploads at random and keeps a log of them: the store's own log.

python -m harness.delaying_proxy UPSTREAM LOG SECONDS SEED        prints its endpoint when it is up
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.processes import start_module

__all__ = ["DelayingProxy", "Put", "delaying_proxy"]

_MAX_BODY = 64 << 20
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"})


@dataclass(frozen=True, slots=True)
class Put:
    """An upload that was answered with success. `began` and `ended` are monotonic seconds."""

    key: str
    size: int
    began: float
    ended: float


class DelayingProxy:
    """A running proxy."""

    def __init__(self, endpoint: str, log: Path) -> None:
        self.endpoint = endpoint
        self._log = log

    def puts(self) -> list[Put]:
        """What was uploaded, in the order in which it was complete."""
        notes = [json.loads(line) for line in self._log.read_text().splitlines()]
        return [Put(**note) for note in notes]


@contextmanager
def delaying_proxy(upstream: str, log: Path, seconds: float, seed: int) -> Iterator[DelayingProxy]:
    """Forward to `upstream`, each PUT after a random delay of up to `seconds`."""
    log.touch()
    process = start_module(
        "harness.delaying_proxy",
        upstream,
        str(log),
        str(seconds),
        str(seed),
        environ={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            endpoint = process.stdout.readline().decode().strip()
            assert endpoint, "the proxy did not start"
            yield DelayingProxy(endpoint, log)
    finally:
        process.kill()
        process.wait()


async def _serve(upstream: str, log: Path, seconds: float, seed: int) -> None:
    import asyncio

    from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
    from yarl import URL

    chance = random.Random(seed)
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
        with log.open("a", buffering=1) as notes:

            async def forward(request: web.Request) -> web.Response:
                began = time.monotonic()
                try:
                    body = await request.read()
                except ConnectionResetError:
                    return web.Response(status=400, text="the daemon died")
                if request.method == "PUT":
                    await asyncio.sleep(chance.uniform(0, seconds))
                # The signature covers the Host header: it must go on as the daemon sent it.
                async with session.request(
                    request.method,
                    URL(upstream + request.raw_path, encoded=True),
                    headers=request.headers,
                    data=body,
                    allow_redirects=False,
                ) as answer:
                    content = await answer.read()
                if request.method == "PUT" and answer.status == 200:
                    note = {"key": request.path, "size": len(body), "began": began, "ended": time.monotonic()}
                    notes.write(json.dumps(note) + "\n")
                headers = [
                    (name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP
                ]
                if request.method == "HEAD":
                    headers.append(("Content-Length", answer.headers.get("Content-Length", "0")))
                return web.Response(status=answer.status, headers=headers, body=content)

            application = web.Application(client_max_size=_MAX_BODY)
            application.router.add_route("*", "/{path:.*}", forward)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            print(f"http://{host}:{port}", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    import asyncio

    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
