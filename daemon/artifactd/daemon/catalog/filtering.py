"""Filters of runs as conditions of a statement. None is ever NULL, so that `No` is the complement. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true

from artifactd.daemon.catalog.dialect import json_at
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


def condition(expression: Expression) -> ColumnElement[bool]:
    """What holds for the runs that `expression` describes."""
    match expression:
        case Every(parts):
            return and_(true(), *map(condition, parts))
        case Some(parts):
            return or_(false(), *map(condition, parts))
        case No(part):
            return not_(condition(part))
        case Compare(field, how, value):
            compare = _compare_config if field.column == "config" else _compare_column
            return func.coalesce(compare(field, how, value), false())


def _compare_column(field: Field, how: Operator, value: Value) -> ColumnElement[bool]:
    column = runs.c[field.column]
    if how is Operator.EXISTS:
        return column.is_not(None) if value else column.is_(None)
    return column.is_(None) if value is None else _OPERATIONS[how](column, value)


def _compare_config(field: Field, how: Operator, value: Value) -> ColumnElement[bool]:
    kind, found = json_at(runs.c.config, field.path)
    if how is Operator.EXISTS:
        return kind.is_not(None) if value else kind.is_(None)
    match value:
        case None:
            return or_(kind.is_(None), kind == "null")
        case bool():
            return kind == ("true" if value else "false")
        case str():
            return and_(kind == "text", found == value)
        case int() | float():
            return and_(kind.in_(["integer", "real"]), _OPERATIONS[how](found, value))
