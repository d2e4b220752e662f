"""The rules for names: artifact names, types, aliases, entry paths, addresses. Pure functions.

Each `check_*` returns its argument, or raises `InvalidRequest` (a `ValueError`) that names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from artifactd.protocol.errors import InvalidRequest

__all__ = [
    "MAX_PATH_BYTES",
    "Address",
    "check_alias",
    "check_aliases",
    "check_artifact_name",
    "check_entity",
    "check_entry_path",
    "check_new_entry_path",
    "check_scope",
    "check_tag",
    "check_tags",
    "check_type",
    "normalise_entry_path",
    "version_number",
]

MAX_NAME = 128
MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 4096

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}\Z")
_VERSION = re.compile(r"v(0|[1-9][0-9]{0,17})\Z")
_RESERVED_VERSION = re.compile(r"v[0-9]+\Z")
_STORES_OWN = frozenset({".tmp", "artifactd-probe"})
"""What a directory store writes before it is whole, and what an examination of a store leaves to be swept."""
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]*(?:/[A-Za-z0-9_\-][A-Za-z0-9_.\-]*)*\Z")
_DRIVE = re.compile(r"[A-Za-z]:")
_C1 = re.compile(r"[\x80-\x9f]")
"""Terminals obey them as they do the older ones; versions of 0.1.0 may have them in their paths."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _check(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise InvalidRequest(f"{what} must be a string, not {type(text).__name__}")
    if not _NAME.match(text) or text in (".", ".."):
        raise InvalidRequest(
            f"{what} {text!r} is not allowed",
            subject=text[:MAX_NAME],
            remedy=f"use 1 to {MAX_NAME} letters, digits, '_', '-' or '.'",
        )
    return text


def check_artifact_name(name: object) -> str:
    return _check(name, "artifact name")


def check_scope(name: object, what: str) -> str:
    """An entity or a project: the same letters as an artifact name."""
    return _check(name, what)


def check_entity(name: object) -> str:
    """An entity that something is stored for: it is the first component of all its keys in the store."""
    text = check_scope(name, "entity")
    if text in _STORES_OWN:
        raise InvalidRequest(f"entity {text!r} is reserved", remedy="choose another name")
    return text


def check_type(name: object) -> str:
    text = _check(name, "artifact type")
    if text == "job" or text.startswith("wandb-"):
        raise InvalidRequest(f"artifact type {text!r} is reserved", remedy="choose another type name")
    return text


def _check_label(text: object, what: str) -> str:
    if not isinstance(text, str) or not text:
        raise InvalidRequest(f"{what} {text!r} is not a non-empty string")
    if len(text) > MAX_NAME or "/" in text or ":" in text or not _encodable(text) or _CONTROL.search(text):
        raise InvalidRequest(
            f"{what} {text!r} is not allowed",
            remedy=f"use at most {MAX_NAME} characters without '/', ':' and control characters",
        )
    if _RESERVED_VERSION.match(text):
        raise InvalidRequest(f"{what} {text!r} is reserved", remedy="v<number> names versions only")
    return text


def check_alias(alias: object) -> str:
    return _check_label(alias, "alias")


def check_tag(tag: object) -> str:
    return _check_label(tag, "tag")


def check_aliases(aliases: object) -> tuple[str, ...]:
    """Aliases given to one call, one string or several, each once, in the order given."""
    return tuple(dict.fromkeys(check_alias(alias) for alias in _labels(aliases, "aliases")))


def check_tags(tags: object) -> tuple[str, ...]:
    """Tags given to one call, one string or several, each once, in the order given."""
    return tuple(dict.fromkeys(check_tag(tag) for tag in _labels(tags, "tags")))


def _labels(given: object, what: str) -> Iterable[object]:
    if given is None:
        return ()
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise InvalidRequest(f"{what} must be a list of strings, not {given!r}")
    return given


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def normalise_entry_path(path: object) -> str:
    """Bring a path inside an artifact to its one form: relative, POSIX, without `.` and empty components."""
    if not isinstance(path, str):
        raise InvalidRequest(f"entry path must be a string, not {type(path).__name__}")
    if path.startswith("/"):
        raise InvalidRequest(f"entry path {path!r} is absolute", remedy="name entries relative to the artifact")
    normal = "/".join(part for part in path.split("/") if part not in ("", "."))
    if not normal:
        raise InvalidRequest(f"entry path {path[:200]!r} names no entry", remedy="use a relative POSIX path")
    return check_new_entry_path(normal)


def check_new_entry_path(path: str) -> str:
    """Refuse what is not the normal form of an entry path, or what no path that is added today may contain."""
    if _C1.search(path):
        raise InvalidRequest(f"entry path {path[:200]!r} contains a control character")
    return check_entry_path(path)


def check_entry_path(path: str) -> str:
    """Refuse what is not the normal form of an entry path, in versions of any age."""
    # One artifact may have a million paths, and nearly all of them are plain.
    if len(path) <= MAX_COMPONENT_BYTES and _PLAIN_PATH.match(path):
        return path
    problem = _path_problem(path)
    if problem:
        raise InvalidRequest(f"entry path {path[:200]!r} {problem}", remedy="use a relative POSIX path")
    return path


def _path_problem(path: str) -> str:
    if not path:
        return "is empty"
    if not path.isascii() and not _encodable(path):
        return "is not valid UTF-8"
    if _CONTROL.search(path):
        return "contains a NUL or control character"
    if "\\" in path:
        return "contains a backslash"
    if _DRIVE.match(path):
        return "starts with a drive letter"
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return f"contains the component {part!r}"
        if len(part.encode()) > MAX_COMPONENT_BYTES:
            return f"has a component over {MAX_COMPONENT_BYTES} bytes"
    return ""


def version_number(alias: str) -> int | None:
    """3 for `v3`, None for anything that does not name a version."""
    match = _VERSION.match(alias)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Address:
    """A version as users write it: `entity/project/name:alias`."""

    entity: str
    project: str
    name: str
    alias: str = "latest"

    @classmethod
    def parse(cls, text: object, *, entity: str, project: str) -> Address:
        """Read `name`, `name:alias`, `project/name:alias` or `entity/project/name:alias`.

        `entity` and `project` fill in what is left out; no `:…` means `latest`.
        """
        if not isinstance(text, str):
            raise InvalidRequest(f"artifact address must be a string, not {type(text).__name__}")
        path, colon, alias = text.partition(":")
        parts = path.split("/")
        if len(parts) > 3 or (colon and not alias):
            raise InvalidRequest(
                f"artifact address {text[:300]!r} is not understood",
                remedy="write name:alias, project/name:alias or entity/project/name:alias",
            )
        *scope, name = parts
        scope = [entity, project][: 2 - len(scope)] + scope
        if alias and version_number(alias) is None:
            if _RESERVED_VERSION.match(alias):
                raise InvalidRequest(
                    f"no version is called {alias[:40]!r}", subject=text[:300], remedy="write v0, v1, …"
                )
            check_alias(alias)
        return cls(
            check_scope(scope[0], "entity"),
            check_scope(scope[1], "project"),
            check_artifact_name(name),
            alias or "latest",
        )

    @property
    def collection(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}"

    def __str__(self) -> str:
        return f"{self.collection}:{self.alias}"
