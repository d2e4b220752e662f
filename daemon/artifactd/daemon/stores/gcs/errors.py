"""What an answer of GCS, or the lack of one, means for a retry."""

from __future__ import annotations

from ssl import SSLCertVerificationError

import aiohttp
import msgspec

from artifactd.daemon.stores.base import Kind, StoreError

__all__ = ["GCS_ERRORS", "answered", "unanswered"]

GCS_ERRORS = (aiohttp.ClientError, TimeoutError)
"""All that a request raises, cancellation aside."""

_KIND_OF_STATUS = {
    401: Kind.DENIED,
    403: Kind.DENIED,
    404: Kind.NOT_FOUND,
    408: Kind.TRANSIENT,
    409: Kind.CONFLICT,
    410: Kind.NOT_FOUND,
    412: Kind.CONFLICT,
    429: Kind.THROTTLED,
    503: Kind.THROTTLED,
}
_MEANING = {401: "the credentials were refused", 403: "the credentials do not suffice"}
"""What an operator has to mend."""
_THROTTLED = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
"""Reasons of a 403 that is no lack of permission."""

_UPLOADS = frozenset({"put", "finish"})
"""Operations that make an object: if their answer is lost they may have done so."""
_NEED_THE_BUCKET_ONLY = frozenset({"put", "begin", "list"})


class _Detail(msgspec.Struct):
    reason: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    errors: list[_Detail] = []


class _Document(msgspec.Struct):
    error: _Error


_DOCUMENT = msgspec.json.Decoder(_Document)


def answered(status: int, body: bytes, operation: str, key: str) -> StoreError:
    """Build the `StoreError` for an answer that is no success."""
    try:
        error = _DOCUMENT.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = _Error()
    kind = _KIND_OF_STATUS.get(status) or (Kind.TRANSIENT if status >= 500 else Kind.PERMANENT)
    if status == 400 and operation in _UPLOADS:
        # The same request passes with other bytes: its checksum is all that can be wrong with one.
        kind = Kind.CORRUPT
    elif status == 403 and any(detail.reason in _THROTTLED for detail in error.errors):
        kind = Kind.THROTTLED
    elif status == 404 and operation in _NEED_THE_BUCKET_ONLY:
        kind = Kind.DENIED
    said = f"{status} {error.message[:200]}".rstrip()
    if kind is Kind.DENIED and status in _MEANING:
        said = f"{_MEANING[status]} ({said})"
    return StoreError(kind, operation, key, said)


def unanswered(error: Exception, operation: str, key: str) -> StoreError:
    """Build the `StoreError` for one of `GCS_ERRORS`."""
    if isinstance(error, SSLCertVerificationError):
        return StoreError(Kind.DENIED, operation, key, str(error))
    never_sent = isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    kind = Kind.UNKNOWN_OUTCOME if operation in _UPLOADS and not never_sent else Kind.TRANSIENT
    return StoreError(kind, operation, key, str(error) or type(error).__name__)
