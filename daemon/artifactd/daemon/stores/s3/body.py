"""Request bodies of S3: what botocore wants while it builds and signs a request, and what aiohttp sends then."""

from __future__ import annotations

from typing import Any, NoReturn

from artifactd.daemon.stores.buckets.body import Pieces

__all__ = ["Body", "payload", "swap_body"]

STALL_TIMEOUT = 60.0
"""Seconds in which the peer must take something; the SDK's own read timeout only starts after the last byte."""


class Body:
    """What botocore validates and measures. It never reads it: the payload is not signed."""

    def __init__(self, data: memoryview) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def read(self, *_: object) -> NoReturn:
        raise NotImplementedError("the body is sent from memory, never read")

    def seek(self, *_: object) -> int:
        return 0

    def tell(self) -> int:
        return 0


def payload(data: memoryview) -> Pieces:
    """What is sent of a body."""
    return Pieces((data,), "application/octet-stream", STALL_TIMEOUT)


def swap_body(request: Any, **_: Any) -> None:
    """Handler of `before-send.s3`."""
    if isinstance(request.body, Body):
        request.body = payload(request.body.data)
