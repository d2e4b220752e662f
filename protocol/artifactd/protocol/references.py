"""The rules for what an artifact refers to: which URIs, and which of their schemes are understood. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import DraftReference

__all__ = [
    "LOOKED_UP",
    "MAX_OBJECTS",
    "MAX_URI_BYTES",
    "check_draft_reference",
    "check_uri",
    "is_fetched",
    "scheme_of",
]

LOOKED_UP = frozenset({"http", "https", "s3", "gs"})
"""Schemes that the daemon looks up and fetches; `file` is the client's own business."""
MAX_URI_BYTES = 2_048
MAX_OBJECTS = 1_000_000
"""Of one prefix, whatever its reference allows."""

_MAX_EXTRA = 16
_MAX_TEXT = 1_024
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):.")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGEST = re.compile(r"[A-Za-z0-9_\-]{1,32}:[^\x00-\x1f\x7f]+\Z")


def scheme_of(uri: str) -> str:
    """The scheme in lower case, or empty."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match else ""


def is_fetched(uri: str) -> bool:
    """Whether a download brings what the URI points to."""
    scheme = scheme_of(uri)
    return scheme == "file" or scheme in LOOKED_UP


def check_uri(uri: object) -> str:
    """Return `uri`, or raise `InvalidRequest`, which does not repeat what may be a password."""
    if not isinstance(uri, str):
        raise InvalidRequest(f"a reference must be a string, not {type(uri).__name__}")
    try:
        size = len(uri.encode())
    except UnicodeEncodeError:
        raise InvalidRequest("a reference's URI is not valid UTF-8") from None
    if size > MAX_URI_BYTES or _CONTROL.search(uri):
        raise InvalidRequest(
            "a reference's URI is too long or has control characters",
            subject=ascii(uri[:100]),
            remedy=f"use at most {MAX_URI_BYTES} bytes, without control characters",
        )
    if not scheme_of(uri):
        raise InvalidRequest(
            "a reference needs a URI with a scheme",
            subject=uri[:200],
            remedy="write for example s3://bucket/key or file:///directory/file",
        )
    try:
        authority = urlsplit(uri).netloc
    except ValueError as error:
        raise InvalidRequest(f"a reference's URI is not understood: {error}") from error
    if "@" in authority:
        raise InvalidRequest(
            "a reference's URI must not contain a user or a password",
            subject=f"{scheme_of(uri)}://…@{authority.rpartition('@')[2]}",
            remedy="everybody who may read the version would read them; leave them out",
        )
    return uri


def check_draft_reference(reference: DraftReference) -> None:
    """Refuse a reference that no client of ours would write."""
    check_uri(reference.uri)
    unresolved = reference.digest is None
    rules = {
        "its digest is not algorithm:value": not reference.digest
        or (len(reference.digest) <= _MAX_TEXT and _DIGEST.match(reference.digest)),
        "it records too much": len(reference.extra) <= _MAX_EXTRA
        and all(len(text) <= _MAX_TEXT for pair in reference.extra for text in pair),
        "what it records is not in order": list(reference.extra) == sorted(dict(reference.extra).items()),
        f"it must allow 1 to {MAX_OBJECTS} objects": not unresolved or 1 <= reference.limit <= MAX_OBJECTS,
        "nobody can look its scheme up": not unresolved or scheme_of(reference.uri) in LOOKED_UP,
    }
    for problem, holds in rules.items():
        if not holds:
            raise InvalidRequest(problem, subject=reference.uri)
