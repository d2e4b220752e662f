"""Filters of runs as conditions of a statement. None is ever NULL, so that `No` is the complement. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, func, not_, or_, true

from artifactd.daemon.catalog.dialect import JsonValue, json_at
from artifactd.daemon.catalog.schema import runs
from artifactd.protocol.run_filters import Compare, Every, Expression, Field, No, Operator, Some, Value

__all__ = ["condition"]

_OPERATIONS: dict[Operator, Callable[[Any, Any], ColumnElement[bool]]] = {
    Operator.EQUAL: operator.eq,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
}


def condition(connection: Connection, expression: Expression) -> ColumnElement[bool]:
    """What holds for the runs that `expression` describes, in the words of the connection's database."""
    match expression:
        case Every(parts):
            return and_(true(), *(condition(connection, part) for part in parts))
        case Some(parts):
            return or_(false(), *(condition(connection, part) for part in parts))
        case No(part):
            return not_(condition(connection, part))
        case Compare(field, how, value):
            if field.column == "config":
                found = json_at(connection, runs.c.config, field.path)
                return func.coalesce(_compare_config(found, how, value), false())
            return func.coalesce(_compare_column(field, how, value), false())


def _compare_column(field: Field, how: Operator, value: Value) -> ColumnElement[bool]:
    column = runs.c[field.column]
    if how is Operator.EXISTS:
        return column.is_not(None) if value else column.is_(None)
    return column.is_(None) if value is None else _OPERATIONS[how](column, value)


def _compare_config(found: JsonValue, how: Operator, value: Value) -> ColumnElement[bool]:
    if how is Operator.EXISTS:
        return found.kind.is_not(None) if value else found.kind.is_(None)
    match value:
        case None:
            return or_(found.kind.is_(None), found.kind == "null")
        case bool():
            return found.kind == ("true" if value else "false")
        case str():
            return found.text == value
        case int() | float():
            return _OPERATIONS[how](found.number, value)
