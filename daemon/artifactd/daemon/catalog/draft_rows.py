"""The files of drafts: a row for each path, which the first writer of that path brought."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from artifactd.daemon.catalog.dialect import chunks
from artifactd.daemon.catalog.schema import draft_entries, draft_parts
from artifactd.protocol.errors import Conflict
from artifactd.protocol.manifest import Entry, Reference

__all__ = ["PAGE", "add_entries", "read_entries"]

PAGE = 10_000
"""Entries in memory at the same time."""

_CONTENTS = ("directory", "digest", "size", "reference")


def add_entries(
    connection: Connection, draft_id: int, part_id: int, writer: str, entries: Iterable[Entry]
) -> None:
    """Add the entries of one part to a locked draft; what is there with the same contents stays as it is.

    Raises `Conflict` naming the path and both writers where other contents, or a directory, are there.
    """
    rest = iter(entries)
    while page := list(islice(rest, PAGE)):
        rows = _rows(page)
        for paths in chunks(list(rows)):
            _add(connection, draft_id, part_id, writer, {path: rows[path] for path in paths})


def read_entries(connection: Connection, draft_id: int, after: str) -> list[Entry]:
    """The next `PAGE` files behind the path `after`, by the bytes of their paths; fewer at the end."""
    rows = connection.execute(
        select(*draft_entries.c["path", "digest", "size", "reference"])
        .where(draft_entries.c.draft_id == draft_id, draft_entries.c.path > after)
        .where(draft_entries.c.directory.is_(False))
        .order_by(draft_entries.c.path)
        .limit(PAGE)
    )
    return [Entry(path, digest, size, _reference(reference)) for path, digest, size, reference in rows]


def _rows(entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """The files, and every directory that holds one of them, by path."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        for directory in _directories(entry.path):
            rows[directory] = {"directory": True, "digest": "", "size": 0, "reference": None}
        reference = None if entry.reference is None else json.dumps(entry.reference, ensure_ascii=False)
        rows[entry.path] = {
            "directory": False,
            "digest": entry.digest,
            "size": entry.size,
            "reference": reference,
        }
    return rows


def _directories(path: str) -> Iterator[str]:
    while slash := path.rfind("/") + 1:
        path = path[: slash - 1]
        yield path


def _add(
    connection: Connection, draft_id: int, part_id: int, writer: str, rows: dict[str, dict[str, Any]]
) -> None:
    known = connection.execute(
        select(*draft_entries.c["path", *_CONTENTS], draft_parts.c.writer)
        .join(draft_parts, draft_parts.c.id == draft_entries.c.part_id)
        .where(draft_entries.c.draft_id == draft_id, draft_entries.c.path.in_(rows))
    )
    # The draft is locked, so nobody adds a path between this look and the insertion.
    for row in known:
        wanted, there = rows.pop(row.path), {field: getattr(row, field) for field in _CONTENTS}
        if wanted != there:
            raise _conflict(row.path, row.writer, _kind(there), writer, _kind(wanted))
    if rows:
        connection.execute(
            draft_entries.insert(),
            [{"draft_id": draft_id, "part_id": part_id, "path": path, **row} for path, row in rows.items()],
        )


def _kind(row: dict[str, Any]) -> str:
    return "a directory" if row["directory"] else "a file"


def _conflict(path: str, first: str, there: str, second: str, wanted: str) -> Conflict:
    wanted = f"{wanted} with other contents" if wanted == there else wanted
    return Conflict(
        f"{first} has upserted {there} here, and {second} brings {wanted}",
        subject=path,
        remedy="give each writer paths of its own",
    )


def _reference(text: str | None) -> Reference | None:
    if text is None:
        return None
    uri, extra = json.loads(text)
    return Reference(uri, tuple((name, value) for name, value in extra))
