"""What other people's servers say, taken apart: they may say anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from artifactd.daemon.stores.base import Kind, StoreError

__all__ = ["understood"]


@contextmanager
def understood(operation: str, uri: str) -> Iterator[None]:
    """Turn what comes of fields that are missing, or are no numbers, into a `StoreError`."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoreError(Kind.TRANSIENT, operation, uri, "the server's answer is not understood") from error
