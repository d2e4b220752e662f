"""What statements must say differently to each database: upserts, the clock, and paths into JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Numeric,
    Table,
    case,
    cast,
    func,
    literal_column,
    select,
    sql,
)
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["JsonValue", "advance", "chunks", "clock", "insert", "is_postgresql", "json_at", "now"]

# SQLite takes 32,766 variables in a statement, PostgreSQL 65,535; a key here has at most three.
_CHUNK = 10_000

# JSON's escapes that make no character of PostgreSQL's: NUL, and one half of a pair of surrogates.
_HIGH, _LOW = r"\\u[dD][89abAB]..", r"\\u[dD][c-fC-F].."
_NO_CHARACTER = rf"\\u0000|{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}"
_FAR_EXPONENT = "[eE][+-]?[0-9]{4}"

_Item = TypeVar("_Item")


def is_postgresql(connection: Connection) -> bool:
    """Whether it is PostgreSQL; else it is SQLite."""
    return connection.dialect.name == "postgresql"


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT into `table` that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if is_postgresql(connection) else sqlite.insert(table)


def clock(connection: Connection) -> ColumnElement[float]:
    """The database's clock within a statement, in Unix seconds: one for all who write to it."""
    if is_postgresql(connection):
        return literal_column("extract(epoch FROM clock_timestamp())", Double)
    return literal_column("(julianday('now') - 2440587.5) * 86400.0", Double)


def now(connection: Connection) -> float:
    """What `clock` says."""
    return float(connection.execute(select(clock(connection))).scalar_one())


def advance(connection: Connection, table: Table, last: int) -> None:
    """Let the ids that the database gives to rows of `table` be above `last`, which is at least 1."""
    if is_postgresql(connection):
        sequence = func.pg_get_serial_sequence(table.name, "id")
        connection.execute(select(func.setval(sequence, last)))
    elif table.dialect_options["sqlite"]["autoincrement"]:
        sequences = sql.table("sqlite_sequence", sql.column("name"), sql.column("seq"))
        connection.execute(sequences.delete().where(sequences.c.name == table.name))
        connection.execute(sequences.insert(), {"name": table.name, "seq": last})


class JsonValue(NamedTuple):
    """What lies somewhere in a JSON text; each NULL where there is nothing, and where it is something else.

    Kinds are `text`, `number`, `true`, `false`, `null`, `array`, `object`.
    """

    kind: ColumnElement[Any]
    text: ColumnElement[Any]
    number: ColumnElement[Any]


def json_at(connection: Connection, column: Column[str], path: Sequence[str]) -> JsonValue:
    """What lies below the keys `path` of a JSON object kept as text.

    Keys are printable and contain neither quotes nor backslashes; the text has them as they are, unescaped.
    """
    return _postgresql_json(column, path) if is_postgresql(connection) else _sqlite_json(column, path)


def _sqlite_json(column: Column[str], path: Sequence[str]) -> JsonValue:
    place = "$" + "".join(f'."{key}"' for key in path)
    # A text that is no JSON, from before they were checked, would end the whole statement.
    valid = func.json_valid(column) == 1
    kind = case((valid, func.json_type(column, place)))
    value = case((valid, func.json_extract(column, place)))
    number = kind.in_(["integer", "real"])
    return JsonValue(case((number, "number"), else_=kind), case((kind == "text", value)), case((number, value)))


def _postgresql_json(column: Column[str], path: Sequence[str]) -> JsonValue:
    # What can't be unpacked would end the whole statement, and no value that is sought is like that: an escape of
    # no character, a number beyond all that PostgreSQL counts with.
    escapes = func.replace(column, r"\\", r"\u005c")
    readable = func.regexp_replace(escapes, _NO_CHARACTER, r"\\ufffd", "g")
    # json and not jsonb, which turns every number of the text into a numeric.
    value = cast(readable, postgresql.JSON).op("#>")(cast(list(path), postgresql.ARRAY(postgresql.TEXT)))
    type = func.json_typeof(value)
    raw = cast(value, postgresql.TEXT)
    kind = case((type == "string", "text"), (type == "boolean", raw), else_=type)
    countable = (func.length(raw) < 400) & raw.op("!~")(_FAR_EXPONENT)
    unpacked = cast(value.op("#>>")(cast([], postgresql.ARRAY(postgresql.TEXT))), postgresql.TEXT)
    return JsonValue(
        kind,
        case((type == "string", unpacked)),
        case(((type == "number") & countable, cast(raw, Numeric))),
    )


def chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Cut `items` into pieces of 10,000 that fit the variables of one statement."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
