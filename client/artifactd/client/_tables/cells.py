"""What a cell of a table may hold, and its form in JSON. Pure.

Values of numpy, torch and the like are known by their `tolist` alone: none of these is ever imported.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from artifactd.client._tables.kinds import (
    BOOLEAN,
    INTEGER,
    MAX_DEPTH,
    NULL,
    NUMBER,
    TEXT,
    Kind,
    combine,
    mixed,
)

__all__ = ["Cell", "MixedList", "Unstorable", "decode", "encode", "kind_of", "plain"]

Cell = Any
"""None, bool, int, float, str, or a list of cells."""

_SCALARS: dict[type, Kind] = {type(None): NULL, bool: BOOLEAN, int: INTEGER, float: NUMBER, str: TEXT}
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Unstorable(ValueError):
    """A value that no table can hold, and why."""


class MixedList(Unstorable):
    """A list whose items are of different types. `kind` is what holds them nevertheless."""

    def __init__(self, one: Kind, other: Kind) -> None:
        super().__init__(f"the list has both {one} and {other}")


def plain(value: Any, depth: int = 0) -> Cell:
    """`value` as the cell that it is taken for. Raises `Unstorable`."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, (list, tuple)):
        if depth == MAX_DEPTH:
            raise Unstorable(f"lists are nested more than {MAX_DEPTH} deep")
        if _SCALARS.keys() >= set(map(type, value)):
            return list(value)
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    tolist = getattr(value, "tolist", None)
    if tolist is not None and not isinstance(value, type):
        found = tolist()
        if type(found) in _SCALARS or isinstance(found, list):
            return plain(found, depth)
    raise Unstorable(f"a value of type {type(value).__name__} cannot be stored")


def kind_of(cell: Cell, *, allow_mixed: bool) -> Kind:
    """The kind of a plain cell. Raises `Unstorable` for what is none, and `MixedList`."""
    return _kind_of(cell, 0, allow_mixed)


def _kind_of(cell: Cell, depth: int, allow_mixed: bool) -> Kind:
    known = _SCALARS.get(type(cell))
    if known is not None:
        return known
    if type(cell) is not list:
        raise Unstorable(f"a value of type {type(cell).__name__} cannot be stored")
    if depth == MAX_DEPTH:
        raise Unstorable(f"lists are nested more than {MAX_DEPTH} deep")
    kinds = {_SCALARS.get(found) for found in set(map(type, cell))}
    if None in kinds:
        kinds = {_kind_of(item, depth + 1, allow_mixed) for item in cell}
    whole = NULL
    for kind in sorted(filter(None, kinds)):
        wider = mixed(whole, kind) if allow_mixed else combine(whole, kind)
        if wider is None:
            raise MixedList(whole, kind)
        whole = wider
    return Kind(whole.base, whole.depth + 1)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


def encode(cells: list[Cell]) -> bytes:
    """Plain cells as one line of JSON. Raises `ValueError` for what has no JSON form."""
    try:
        return _ENCODER.encode(cells).encode()
    except ValueError:  # a float that JSON has no number for, most likely
        return _ENCODER.encode(_finite(cells)).encode()


def _finite(cell: Cell) -> Any:
    if isinstance(cell, list):
        return [_finite(item) for item in cell]
    if isinstance(cell, float) and not math.isfinite(cell):
        return {"float": repr(cell)}
    return cell


def decode(line: bytes) -> Any:
    """What a line of JSON holds. Raises `ValueError`, or `RecursionError` for a bomb."""
    return _DECODER.decode(line.decode())


def _special(found: dict[str, Any]) -> float:
    name = found.get("float")
    if len(found) != 1 or not isinstance(name, str) or name not in _SPECIAL:
        raise ValueError("an object in it is not a number")
    return _SPECIAL[name]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_hook=_special, parse_constant=_refuse)
