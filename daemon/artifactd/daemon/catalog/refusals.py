"""The database's errors in the daemon's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, TimeoutError

from artifactd.daemon.catalog.records import CatalogUnavailable
from artifactd.protocol.errors import InvalidRequest

__all__ = ["own_words"]

# What a driver raises for values that the database can never take.
_REFUSALS = (IntegrityError, DataError, OverflowError, UnicodeEncodeError)


@contextmanager
def own_words() -> Iterator[None]:
    """Raises `InvalidRequest` for a value that the database can't take, else `CatalogUnavailable`."""
    try:
        yield
    except _REFUSALS as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise InvalidRequest(f"the catalog refuses a value: {reason}") from error
    except DBAPIError as error:
        raise CatalogUnavailable(f"the catalog can't answer: {error.orig}") from error
    except TimeoutError as error:
        raise CatalogUnavailable("the catalog is busy") from error
