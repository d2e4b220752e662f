"""Transactions on an apsw connection that survive SQLite's own rollbacks, and what a full disk raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

__all__ = ["NO_SPACE", "transaction"]

NO_SPACE = (apsw.FullError, apsw.IOError)
"""What writing raises on a full disk; SQLite reports an exhausted quota as an I/O error."""


@contextmanager
def transaction(db: apsw.Connection) -> Iterator[None]:
    """Commit at the end of the block, or roll back if it raises.

    On a full disk SQLite may have rolled back by itself; apsw's own context manager then raises over that.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
