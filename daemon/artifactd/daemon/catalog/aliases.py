"""Moving aliases: each keeps the revision of its collection at which it came to where it points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from artifactd.daemon.catalog.dialect import insert
from artifactd.daemon.catalog.schema import aliases

__all__ = ["alias_rows", "move_aliases"]


def alias_rows(collection_id: int, revision: int, moved: Mapping[str, int]) -> list[dict[str, object]]:
    """For `move_aliases`: the aliases `moved` of a locked collection, which comes to `revision` with this."""
    return [
        {"collection_id": collection_id, "name": name, "number": number, "revision": revision}
        for name, number in moved.items()
    ]


def move_aliases(connection: Connection, rows: Iterable[dict[str, object]]) -> None:
    """Point at least one alias to a version that exists; one that points there already did not move."""
    upsert = insert(connection, aliases)
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["collection_id", "name"],
            set_={"number": upsert.excluded.number, "revision": upsert.excluded.revision},
            where=aliases.c.number != upsert.excluded.number,
        ),
        list(rows),
    )
