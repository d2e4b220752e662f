"""Metadata and configs: JSON objects that survive the way there and back. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from artifactd.protocol.errors import InvalidRequest

__all__ = ["MAX_BYTES", "pack_json"]

MAX_BYTES = 1 << 20
"""Of metadata as JSON text."""
_MAX_DIGITS = 4_300
"""Of an integer: no Python reads more from text unless it is told to."""
_TOO_LONG = 10**_MAX_DIGITS


def pack_json(value: Mapping[str, Any] | None, what: str) -> str:
    """`value` as JSON text; what `_plain` converts comes back converted.

    Raises `InvalidRequest`, naming the place, for what JSON would lose or refuse.
    """
    if value is None:
        return "{}"
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{what} must be a dict, not {type(value).__name__}")
    try:
        text = json.dumps(_plain(dict(value), what), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise InvalidRequest(f"{what} is nested too deeply, or contains itself") from error
    size = len(text.encode())
    if size > MAX_BYTES:
        raise InvalidRequest(f"{what} has {size} bytes as JSON, at most {MAX_BYTES} are kept")
    return text


def _plain(value: object, where: str) -> object:
    """`value` as JSON has it: times as ISO text, numpy's scalars and small arrays as numbers and lists."""
    match value:
        case None | bool():
            return value
        case int():
            if abs(value) >= _TOO_LONG:
                raise InvalidRequest(f"{where} has more than {_MAX_DIGITS:,} digits", remedy="keep it as text")
            return value
        case float():
            if not math.isfinite(value):
                raise InvalidRequest(f"{where} is {value}", remedy="JSON has finite numbers only")
            return value
        case str():
            return _check_text(value, where)
        case dict():
            return {_check_key(key, where): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
        case date():
            return value.isoformat()
    # Of numpy, torch and jax alike, none of which is imported here.
    to_list = getattr(value, "tolist", None)
    if to_list is None:
        raise InvalidRequest(f"{where} is of type {type(value).__name__}", remedy="convert it to a JSON value")
    size = getattr(value, "nbytes", 0)
    if size > MAX_BYTES:
        raise InvalidRequest(f"{where} is an array of {size:,} bytes", remedy="add it as a file or a Table")
    return _plain(to_list(), where)


def _check_key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise InvalidRequest(f"{where} has the key {key!r}", remedy="keys must be strings")
    return _check_text(key, f"a key of {where}")


def _check_text(text: str, where: str) -> str:
    if "\0" in text:
        raise InvalidRequest(f"{where} contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{where} contains a lone surrogate") from error
    return text
