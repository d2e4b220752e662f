"""What the cells of a column are: the types of columns, and how they combine. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from artifactd.protocol.errors import InvalidRequest

__all__ = ["BOOLEAN", "INTEGER", "MAX_DEPTH", "NULL", "NUMBER", "TEXT", "Kind", "combine", "mixed", "parse"]

MAX_DEPTH = 16
"""Of lists within lists."""


class Kind(NamedTuple):
    """`depth` lists around values of type `base`. A null may stand at any level."""

    base: str
    depth: int = 0

    def __str__(self) -> str:
        return "list<" * self.depth + self.base + ">" * self.depth


NULL, BOOLEAN, INTEGER, NUMBER, TEXT = (Kind(base) for base in ("null", "boolean", "integer", "number", "text"))

_TYPE = re.compile(r"((?:list<)*)(null|boolean|integer|number|text|any)(>*)")
_WIDER = {("integer", "number"), ("number", "integer")}


def parse(text: object) -> Kind:
    """The kind that `str` of it names. Raises `InvalidRequest` for anything else."""
    match = _TYPE.fullmatch(text) if isinstance(text, str) else None
    if match is not None:
        depth = len(match[1]) // len("list<")
        if depth == len(match[3]) and depth <= MAX_DEPTH:
            return Kind(match[2], depth)
    raise InvalidRequest(f"{text!r:.100} is not the type of a column")


@lru_cache(maxsize=1024)
def combine(one: Kind, other: Kind) -> Kind | None:
    """The narrowest kind that holds both, or None if only a mixed one would."""
    if one == other:
        return one
    outer, inner = sorted((one, other), key=lambda kind: kind.depth)
    if outer.base == "null":
        return inner
    if inner.base == "null" and inner.depth == outer.depth:
        return outer
    if outer.base == "any":
        return outer
    if inner.depth == outer.depth:
        if inner.base == "any":
            return inner
        if (one.base, other.base) in _WIDER:
            return Kind("number", one.depth)
    return None


def mixed(one: Kind, other: Kind) -> Kind:
    """The narrowest kind that holds both, whatever they are."""
    return combine(one, other) or Kind("any", min(one.depth, other.depth))
