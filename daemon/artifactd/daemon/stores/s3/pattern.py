"""What botocore would send for a PUT: taken down where it would be signed, as the pattern of all others.

Where the server is and how it addresses the bucket, the headers that the options ask for, how it is signed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import UNSIGNED_PAYLOAD
from botocore.awsrequest import AWSRequest

__all__ = ["CHECKSUM", "Pattern", "build_pattern"]

CHECKSUM = "x-amz-checksum-crc64nvme"

_KEY = "pattern"
_OF_ONE_OBJECT = frozenset({"content-length", CHECKSUM})
_NEVER_SIGNED = frozenset({"user-agent"})
_building: ContextVar[bool] = ContextVar("building", default=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the PUTs of one store have in common. An object's URL, or path, is this one and its quoted key."""

    url: str
    path: str
    signed_headers: dict[str, str]
    other_headers: dict[str, str]
    signer: Any
    signing: dict[str, str]


class _Built(Exception):
    """Ends the building of the pattern where the request would be signed."""

    def __init__(self, pattern: Pattern) -> None:
        super().__init__("a pattern is not sent")
        self.pattern = pattern


async def build_pattern(client: Any, build: Callable[[str], Awaitable[object]]) -> Pattern:
    """`build` has the SDK build, and send, a PUT of a key; it is not sent."""
    client.meta.events.register_last("before-sign.s3.PutObject", _before_sign, unique_id=__name__)
    token = _building.set(True)
    try:
        await build(_KEY)
    except _Built as built:
        return built.pattern
    finally:
        _building.reset(token)
    raise AssertionError("botocore built a request and did not sign it")


def _before_sign(
    request: AWSRequest, request_signer: Any, signing_name: str, region_name: str, signature_version: Any, **_: Any
) -> None:
    """Handler of `before-sign.s3.PutObject`, the last of them."""
    if not _building.get():
        return
    url = urlsplit(request.url.removesuffix(_KEY))
    chosen = request.context.get("signing", {})
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    common = {name: value for name, value in headers.items() if name not in _OF_ONE_OBJECT}
    raise _Built(
        Pattern(
            url=url.geturl(),
            path=url.path,
            signed_headers={name: common[name] for name in common if name not in _NEVER_SIGNED}
            | {"host": url.netloc, "x-amz-content-sha256": UNSIGNED_PAYLOAD},
            other_headers={name: common[name] for name in common if name in _NEVER_SIGNED}
            | {"accept-encoding": "identity"},
            signer=request_signer,
            signing={
                "signing_name": chosen.get("signing_name") or signing_name,
                "region_name": chosen.get("region") or region_name,
                "signature_version": signature_version,
            },
        )
    )
