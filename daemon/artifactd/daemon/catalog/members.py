"""The daemons of a catalog: who takes part, whose writes count, and how far back anybody's checks reach."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select, true

from artifactd.daemon.catalog.dialect import insert, now
from artifactd.daemon.catalog.records import Fenced
from artifactd.daemon.catalog.schema import daemons, marks

__all__ = [
    "Member",
    "check_member",
    "current_epoch",
    "fence_all",
    "fence_silent",
    "hear",
    "horizon",
    "join",
    "list_members",
]


@dataclass(frozen=True, slots=True)
class Member:
    """A daemon that has joined, and the generation that it got."""

    daemon: str
    generation: int


def current_epoch(connection: Connection) -> int:
    return int(connection.execute(select(marks.c.epoch)).scalar_one())


def join(connection: Connection, daemon: str, host: str, release: str) -> tuple[Member, int]:
    """Take part as `daemon` in a new generation, which fences whoever had that name; with the current epoch."""
    # Locked, so that no sweep ends between the reading of its epoch and the promise not to look further back.
    epoch = int(connection.execute(select(marks.c.epoch).with_for_update(read=True)).scalar_one())
    values = {
        "fenced": False,
        "oldest_check": epoch,
        "heard_at": now(connection),
        "host": host,
        "release": release,
    }
    statement = insert(connection, daemons).values(id=daemon, generation=1, **values)
    generation = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={"generation": daemons.c.generation + 1, **values}
        ).returning(daemons.c.generation)
    ).scalar_one()
    return Member(daemon, int(generation)), epoch


def hear(connection: Connection, member: Member, oldest_check: int) -> int:
    """Publish that nothing under way looked for blobs before `oldest_check`; returns the current epoch.

    Raises `Fenced`.
    """
    updated = connection.execute(
        daemons.update()
        .where(daemons.c.id == member.daemon, daemons.c.generation == member.generation, ~daemons.c.fenced)
        .values(oldest_check=oldest_check, heard_at=now(connection))
        .returning(daemons.c.id)
    ).scalar_one_or_none()
    if updated is None:
        raise _fenced(member)
    return current_epoch(connection)


def check_member(connection: Connection, member: Member) -> int:
    """The member's oldest check, which stays what it is until the transaction ends, as does its generation.

    Raises `Fenced` unless the member's writes count.
    """
    known = connection.execute(
        select(daemons.c.oldest_check)
        .where(daemons.c.id == member.daemon, daemons.c.generation == member.generation, ~daemons.c.fenced)
        .with_for_update(read=True)
    ).scalar_one_or_none()
    if known is None:
        raise _fenced(member)
    return int(known)


def horizon(connection: Connection) -> int:
    """The epoch before which nobody's checks reach; the current one if nobody takes part."""
    return int(
        connection.execute(
            select(func.coalesce(func.min(case((~daemons.c.fenced, daemons.c.oldest_check))), marks.c.epoch))
            .select_from(marks)
            .join(daemons, true(), isouter=True)
            .group_by(marks.c.epoch)
        ).scalar_one()
    )


def list_members(connection: Connection) -> list[tuple[str, int, float]]:
    """The members: who it is, its oldest check, and how many seconds ago it was heard; the oldest check first."""
    rows = connection.execute(
        select(*daemons.c["id", "host", "oldest_check", "heard_at"])
        .where(~daemons.c.fenced)
        .order_by(daemons.c.oldest_check, daemons.c.id)
    )
    clock = now(connection)
    return [(f"{id} on {host}", oldest, max(0.0, clock - heard)) for id, host, oldest, heard in rows]


def fence_silent(connection: Connection, seconds: float) -> list[str]:
    """Let the daemons go that nobody has heard for so long: what they still write does not count. Who they are."""
    rows = connection.execute(
        daemons.update()
        .where(~daemons.c.fenced, daemons.c.heard_at < now(connection) - seconds)
        .values(fenced=True, generation=daemons.c.generation + 1)
        .returning(daemons.c.id, daemons.c.host)
    )
    return [f"{id} on {host}" for id, host in rows]


def fence_all(connection: Connection, release: str) -> None:
    """The schema has changed, for `release`: whoever took part must join again, and read it anew."""
    connection.execute(daemons.update().values(fenced=True, generation=daemons.c.generation + 1))
    connection.execute(marks.update().values(release=release))


def _fenced(member: Member) -> Fenced:
    return Fenced(
        f"the daemon {member.daemon} is a member of the catalog no more (generation {member.generation}): it was "
        "silent for too long, it was started anew, or the catalog was migrated"
    )
