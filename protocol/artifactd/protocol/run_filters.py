"""What runs are filtered by: a small part of MongoDB's query language, read into a typed expression. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import NamedTuple

from artifactd.protocol.errors import InvalidRequest

__all__ = ["Compare", "Every", "Expression", "Field", "No", "Operator", "Some", "Value", "read"]

MAX_BYTES = 16 << 10
"""Of the filters as JSON text."""
MAX_CONDITIONS = 200
MAX_DEPTH = 8
_MAX_KEYS = 10
_MAX_INTEGER = 1 << 63

_COLUMNS = {
    "state": "state",
    "job_type": "job_type",
    "jobType": "job_type",
    "group": "group",
    "name": "name",
    "display_name": "name",
    "displayName": "name",
    "created_at": "started_at",
    "createdAt": "started_at",
}
"""Fields in our own and in others' words, and the columns of a run that they name."""

Value = str | int | float | bool | None


class Operator(StrEnum):
    """How a field is compared with a value. A field that is not there equals None, and is in no order."""

    EQUAL = "$eq"
    GREATER = "$gt"
    AT_LEAST = "$gte"
    LESS = "$lt"
    AT_MOST = "$lte"
    EXISTS = "$exists"


_ORDERS = frozenset({Operator.GREATER, Operator.AT_LEAST, Operator.LESS, Operator.AT_MOST})


class Field(NamedTuple):
    """A column of a run; of `config` the value below the keys of `path`."""

    column: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """True or false, never unknown. Values of another kind than the field's are not equal to it."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class No:
    part: Expression


Expression = Compare | Every | Some | No


def read(text: str) -> Expression:
    """Read filters from their JSON text. Raises `InvalidRequest`, naming what is not supported or too much."""
    if len(text.encode()) > MAX_BYTES:
        raise InvalidRequest(f"the filters of runs have more than {MAX_BYTES} bytes")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the filters of runs are not JSON: {error}") from error
    return _Reader().document(document, 0)


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


class _Reader:
    """Counts the conditions of one text."""

    def __init__(self) -> None:
        self._conditions = 0

    def document(self, value: object, depth: int) -> Expression:
        """`{field: condition, …}` or `{"$and": […], …}`: all of them hold."""
        _check_depth(depth)
        if not isinstance(value, dict):
            raise _unsupported(f"{_show(value)} where fields and conditions belong")
        return Every(tuple(self._item(key, item, depth) for key, item in value.items()))

    def _item(self, key: str, value: object, depth: int) -> Expression:
        match key:
            case "$and":
                return Every(self._documents(key, value, depth))
            case "$or":
                return Some(self._documents(key, value, depth))
            case "$nor":
                return No(Some(self._documents(key, value, depth)))
        if key.startswith("$"):
            raise _unsupported(f"the operator {key!r}")
        return self._conditions_on(_field(key), key, value, depth + 1)

    def _documents(self, key: str, value: object, depth: int) -> tuple[Expression, ...]:
        return tuple(self.document(item, depth + 1) for item in _list(key, value))

    def _conditions_on(self, field: Field, name: str, value: object, depth: int) -> Expression:
        """A value to equal, or `{operator: operand, …}`."""
        _check_depth(depth)
        if not isinstance(value, dict):
            return self._compare(field, name, Operator.EQUAL, value)
        if not value:
            raise _unsupported(f"{name!r} without a condition")
        return Every(tuple(self._condition(field, name, key, operand, depth) for key, operand in value.items()))

    def _condition(self, field: Field, name: str, key: str, operand: object, depth: int) -> Expression:
        match key:
            case "$ne":
                return No(self._compare(field, name, Operator.EQUAL, operand))
            case "$in":
                return self._one_of(field, name, key, operand)
            case "$nin":
                return No(self._one_of(field, name, key, operand))
            case "$not" if isinstance(operand, dict):
                return No(self._conditions_on(field, name, operand, depth + 1))
        if key not in list(Operator):
            raise _unsupported(f"the operator {key!r} of {name!r}")
        return self._compare(field, name, Operator(key), operand)

    def _one_of(self, field: Field, name: str, key: str, operand: object) -> Expression:
        return Some(tuple(self._compare(field, name, Operator.EQUAL, item) for item in _list(key, operand)))

    def _compare(self, field: Field, name: str, operator: Operator, value: object) -> Compare:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise InvalidRequest(f"the filters of runs have more than {MAX_CONDITIONS} conditions")
        if not isinstance(value, str | int | float | None) or not _fits(field, operator, value):
            raise _unsupported(f"{name!r} with {operator.value} {_show(value)}")
        if field.column == "started_at" and isinstance(value, str):
            value = _seconds(value)
        return Compare(field, operator, value)


def _fits(field: Field, operator: Operator, value: Value) -> bool:
    """Whether such a field may be compared with such a value."""
    is_number = _is_number(value)
    if operator is Operator.EXISTS:
        return isinstance(value, bool)
    if field.column == "started_at":
        return is_number or isinstance(value, str)
    if operator in _ORDERS:
        return field.column == "config" and is_number
    if field.column == "config":
        return is_number or isinstance(value, str | bool | None)
    return isinstance(value, str | None)


def _is_number(value: Value) -> bool:
    """Whether it is a number that every database takes."""
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and -_MAX_INTEGER <= value < _MAX_INTEGER


def _field(name: str) -> Field:
    if column := _COLUMNS.get(name):
        return Field(column)
    first, *keys = name.split(".")
    # The others are what no database's paths into JSON can name alike.
    plain = all(key and key.isprintable() and '"' not in key and "\\" not in key for key in keys)
    if first != "config" or not plain or not 0 < len(keys) <= _MAX_KEYS:
        raise _unsupported(f"the field {name[:100]!r}")
    return Field("config", tuple(keys))


def _seconds(text: str) -> float:
    """Unix seconds of a date or time in ISO 8601; of UTC where it names no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            f"{text[:100]!r} is no time: {error}", remedy="use Unix seconds or ISO 8601"
        ) from error
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _list(key: str, value: object) -> Iterable[object]:
    if not isinstance(value, list):
        raise _unsupported(f"{key} with {_show(value)}, which is no list")
    return value


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"the filters of runs are nested more than {MAX_DEPTH} deep")


def _show(value: object) -> str:
    return repr(value)[:100]


def _unsupported(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"runs cannot be filtered by {what}",
        remedy="fields are state, job_type, group, display_name, created_at and config.<key>; operators are $and, "
        "$or, $nor, $not, $eq, $ne, $in, $nin, $exists, and $gt, $gte, $lt, $lte for numbers and times",
    )
