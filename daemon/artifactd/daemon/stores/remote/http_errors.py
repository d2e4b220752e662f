"""What an HTTP exchange that went wrong means for a retry."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from artifactd.daemon.stores.base import Kind, StoreError

__all__ = ["check_status", "http_errors"]

_KINDS = {
    401: Kind.DENIED,
    403: Kind.DENIED,
    404: Kind.NOT_FOUND,
    408: Kind.TRANSIENT,
    410: Kind.NOT_FOUND,
    429: Kind.THROTTLED,
    503: Kind.THROTTLED,
}
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME})


def check_status(status: int, operation: str, uri: str) -> None:
    """Raise `StoreError` for a status that is no success."""
    if status >= 300:
        kind = _KINDS.get(status) or (Kind.TRANSIENT if status >= 500 else Kind.PERMANENT)
        raise StoreError(kind, operation, uri, f"the server answered {status}")


@contextmanager
def http_errors(operation: str, uri: str) -> Iterator[None]:
    """Turn what aiohttp raises into a `StoreError`."""
    try:
        yield
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError) as error:
        raise StoreError(Kind.PERMANENT, operation, uri, "the URL is not understood") from error
    except aiohttp.ClientConnectorDNSError as error:
        kind = Kind.NOT_FOUND if error.os_error.errno in _NO_SUCH_HOST else Kind.TRANSIENT
        raise StoreError(kind, operation, uri, f"the host is not known: {error.os_error.strerror}") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise StoreError(Kind.PERMANENT, operation, uri, f"its certificate is not trusted: {error}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        # That of an answer would repeat the URL, which after a redirect may have a signature in its query.
        text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
        reason = ascii(text)[1:-1] or type(error).__name__
        raise StoreError(Kind.TRANSIENT, operation, uri, reason) from error
