"""Gives temporary keys for S3 as the services of AWS do: by STS, and as a container's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

from servers.threads import serving

__all__ = ["KeyServer", "key_server", "made_key"]

ADVISED = timedelta(minutes=15)
"""The SDK looks for new keys when those it has end sooner than this."""
_XML = """<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials>
<AccessKeyId>{1[AccessKeyId]}</AccessKeyId><SecretAccessKey>{1[SecretAccessKey]}</SecretAccessKey>
<SessionToken>{1[Token]}</SessionToken><Expiration>{1[Expiration]}</Expiration>
</Credentials><AssumedRoleUser><AssumedRoleId>id</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn>
</AssumedRoleUser></{0}Result></{0}Response>"""


def made_key(number: int, used_for: float) -> dict[str, str]:
    """Keys that the SDK renews after `used_for` seconds."""
    ends = datetime.now(UTC) + ADVISED + timedelta(seconds=used_for)
    return {
        "AccessKeyId": f"KEY{number}",
        "SecretAccessKey": f"secret{number}",
        "Token": f"token{number}",
        "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@dataclass
class KeyServer:
    """The n-th key is KEYn, good to the SDK for `used_for` seconds. `refusing` gives none."""

    address: str = ""
    used_for: float = 3.0
    refusing: bool = False
    asked: list[str] = field(default_factory=list)
    """The action of each request, or its path; only those that were given a key."""

    async def answer(self, request: web.Request) -> web.Response:
        action = str((await request.post()).get("Action", request.path))
        if self.refusing:
            return web.Response(
                status=403, text="<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
            )
        self.asked.append(action)
        key = made_key(len(self.asked), self.used_for)
        if request.method == "GET":
            return web.json_response(key)
        return web.Response(text=_XML.format(action, key), content_type="text/xml")


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """Serve on a free port, from a thread of its own."""
    server = KeyServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    with serving(application) as server.address:
        yield server
