"""How long the versions of a collection stay: its policy, and which versions are over by it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, exists, func, or_, select

from artifactd.daemon.catalog.dialect import now
from artifactd.daemon.catalog.editing import delete_version
from artifactd.daemon.catalog.outbox.changes import Change, StreamKind, note_changes
from artifactd.daemon.catalog.schema import aliases, collections, versions
from artifactd.daemon.catalog.version_rows import IS_LIVE, in_collection
from artifactd.protocol import messages
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest

__all__ = ["Expired", "Policy", "delete_expired", "expired_versions", "policies", "set_policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What `artifactd gc` deletes of a collection.

    A version is over when it is older than its own ttl. One without goes when it is older than the collection's
    `ttl` (seconds) and not among the newest `keep_last`; None is no limit, and where both are None all stay.
    With `keep_aliased` a version stays for as long as it has an alias, `latest` too.
    """

    ttl: int | None = None
    keep_last: int | None = None
    keep_aliased: bool = True


@dataclass(frozen=True, slots=True)
class Expired:
    """A live version whose time is over, and by which rule."""

    collection_id: int
    entity: str
    project: str
    name: str
    number: int
    size: int
    keep_aliased: bool
    reason: str

    @property
    def address(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}:v{self.number}"


def set_policy(connection: Connection, entity: str, project: str, name: str, policy: Policy) -> None:
    """Give a collection this policy. Raises `ArtifactNotFound`."""
    changed = connection.execute(
        collections.update()
        .where(in_collection(entity, project, name))
        .values(ttl=policy.ttl, keep_last=policy.keep_last, keep_aliased=policy.keep_aliased)
    )
    if changed.rowcount == 0:
        raise ArtifactNotFound("there is no such collection", subject=f"{entity}/{project}/{name}")
    note_changes(connection, [Change(StreamKind.COLLECTION, entity, project, name)])


def policies(connection: Connection) -> list[tuple[str, Policy]]:
    """The collections that have a policy of their own, by address."""
    rows = connection.execute(
        select(*collections.c["entity", "project", "name", "ttl", "keep_last", "keep_aliased"])
        .where(
            or_(collections.c.ttl.is_not(None), collections.c.keep_last.is_not(None), ~collections.c.keep_aliased)
        )
        .order_by(*collections.c["entity", "project", "name"])
    )
    return [("/".join(address), Policy(*policy)) for *address, policy in ((*row[:3], row[3:]) for row in rows)]


def expired_versions(connection: Connection) -> list[Expired]:
    """All live versions that are over now, by the database's clock."""
    newer = func.row_number().over(partition_by=versions.c.collection_id, order_by=versions.c.number.desc())
    live = (
        select(*versions.c["collection_id", "number", "size", "created_at", "ttl"], (newer - 1).label("newer"))
        .where(IS_LIVE)
        .subquery()
    )
    age = now(connection) - live.c.created_at
    of_its_own = and_(live.c.ttl.is_not(None), age > live.c.ttl)
    of_its_collection = and_(
        live.c.ttl.is_(None),
        or_(collections.c.ttl.is_not(None), collections.c.keep_last.is_not(None)),
        or_(collections.c.ttl.is_(None), age > collections.c.ttl),
        or_(collections.c.keep_last.is_(None), live.c.newer >= collections.c.keep_last),
    )
    aliased = exists().where(aliases.c.collection_id == live.c.collection_id, aliases.c.number == live.c.number)
    rows = connection.execute(
        select(
            live.c.collection_id,
            *collections.c["entity", "project", "name"],
            live.c.number,
            live.c.size,
            collections.c.keep_aliased,
            case((of_its_own, "its ttl is over"), else_="the collection's policy"),
        )
        .join_from(live, collections, collections.c.id == live.c.collection_id)
        .where(or_(of_its_own, of_its_collection), or_(~collections.c.keep_aliased, ~aliased))
        .order_by(*collections.c["entity", "project", "name"], live.c.number)
    )
    return [Expired(collection_id, *rest) for collection_id, *rest in rows]


def delete_expired(connection: Connection, version: Expired) -> bool:
    """Delete a version that was over; False if it got an alias meanwhile, or somebody else deleted it."""
    request = messages.DeleteVersion(
        entity=version.entity,
        project=version.project,
        name=version.name,
        version=version.number,
        delete_aliases=not version.keep_aliased,
    )
    try:
        delete_version(connection, request)
    except (ArtifactNotFound, InvalidRequest):
        return False
    return True
