"""Metadata and configs: JSON objects that survive the way there and back unchanged. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from artifactd.protocol.errors import InvalidRequest

__all__ = ["MAX_BYTES", "pack_json"]

MAX_BYTES = 1 << 20
"""Of metadata as JSON text."""


def pack_json(value: Mapping[str, Any] | None, what: str) -> str:
    """`value` as JSON text. Raises `InvalidRequest`, naming the place, for what JSON would lose or refuse."""
    if value is None:
        return "{}"
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{what} must be a dict, not {type(value).__name__}")
    try:
        _check(value, what)
        text = json.dumps(dict(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise InvalidRequest(f"{what} is nested too deeply, or contains itself") from error
    size = len(text.encode())
    if size > MAX_BYTES:
        raise InvalidRequest(f"{what} has {size} bytes as JSON, at most {MAX_BYTES} are kept")
    return text


def _check(value: object, where: str) -> None:
    match value:
        case None | bool() | int():
            pass
        case float():
            if not math.isfinite(value):
                raise InvalidRequest(f"{where} is {value}", remedy="JSON has finite numbers only")
        case str():
            _check_text(value, where)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InvalidRequest(f"{where} has the key {key!r}", remedy="keys must be strings")
                _check_text(key, f"a key of {where}")
                _check(item, f"{where}[{key!r}]")
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{where}[{index}]")
        case _:
            raise InvalidRequest(f"{where} is of type {type(value).__name__}", remedy="convert it to a JSON value")


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        raise InvalidRequest(f"{where} contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{where} contains a lone surrogate") from error
