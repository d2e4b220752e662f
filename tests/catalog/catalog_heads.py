"""Heads for the tests of the catalog: every one a submission of its own unless told otherwise."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from artifactd.daemon.catalog import Head

__all__ = ["Delete", "digest", "make_head"]

Delete = Callable[[str, str, str, int], None]
"""Deletes the version `number` of `entity`, `project`, `name` with its aliases."""

_ticks = itertools.count()


def digest(contents: int) -> str:
    return f"blake3:{contents:064x}"


def make_head(contents: int = 0, **fields: Any) -> Head:
    head = Head(
        uid=1000,
        id=os.urandom(16),
        body_hash=b"\0" * 32,
        entity="team",
        project="vision",
        name="model",
        type="model",
        digest=digest(contents),
        size=100,
        files=2,
        aliases=(),
        tags=(),
        description=None,
        metadata="{}",
        run=None,
        accepted_at=1_700_000_000.25 + next(_ticks),
    )
    return replace(head, **fields)
