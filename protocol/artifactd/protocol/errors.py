"""The one tree of errors that users see and that crosses the wire.

Every error says what failed, on which file or address (`subject`), why, and what to do (`remedy`).
Across the wire an error travels as its `code`; `from_code` builds the same class on the other side.
"""

from __future__ import annotations

import re
from typing import ClassVar

__all__ = [
    "ArtifactFailed",
    "ArtifactFinalizedError",
    "ArtifactNotFound",
    "ArtifactNotLoggedError",
    "ArtifactdError",
    "CatalogUnavailable",
    "ColumnNotFound",
    "Conflict",
    "CorruptDownload",
    "DaemonUnavailable",
    "Denied",
    "EntryNotFound",
    "FileChanged",
    "InvalidRequest",
    "NotAccepted",
    "OutOfSpace",
    "ProtocolMismatch",
    "ReferenceChanged",
    "VerificationFailed",
    "WaitTimeout",
    "from_code",
]


class ArtifactdError(Exception):
    """Base of every error that artifactd raises.

    `message` says what failed and why, `subject` names the file, address or id it is about,
    `remedy` says what to do. Unknown codes of a newer daemon arrive as this class.

    >>> try:
    ...     api.artifact("imagse")
    ... except artifactd.ArtifactNotFound as error:
    ...     print(error.message, error.remedy.endswith("has images"))
    no such artifact True
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, subject: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.message
        if self.subject and not _names(text, self.subject):
            text = f"{self.subject}: {text}"
        return f"{text} ({self.remedy})" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.subject, self.remedy))


def _rebuild(cls: type[ArtifactdError], message: str, subject: str, remedy: str) -> ArtifactdError:
    return cls(message, subject=subject, remedy=remedy)


def _names(text: str, subject: str) -> bool:
    """Whether a reader of `text` knows what it is about: `model` in "the model is large" may be any word."""
    if repr(subject) in text:
        return True
    if subject.isalpha():
        return text.startswith(f"{subject}: ")
    return re.search(rf"(?<![\w./-]){re.escape(subject)}(?![\w/-])", text) is not None


class InvalidRequest(ArtifactdError, ValueError):
    """A name, path, value or request that the rules refuse."""

    code = "invalid"


class Denied(ArtifactdError, PermissionError):
    """The caller may not do this."""

    code = "denied"


class ArtifactNotFound(ArtifactdError, LookupError):
    """No such collection, alias, version, entry or submission."""

    code = "not_found"


class EntryNotFound(ArtifactNotFound, KeyError, FileNotFoundError):
    """The artifact has no entry of this path; `remedy` names those that are spelled alike."""

    code = "no_entry"


class ColumnNotFound(ArtifactdError, KeyError):
    """The table has no column of this name; `remedy` names those that are spelled alike."""

    code = "no_column"


class Conflict(ArtifactdError):
    """Something else was changed or claimed first; nothing was half-applied."""

    code = "conflict"


class OutOfSpace(ArtifactdError, OSError):
    """The spool's filesystem is at its reserve or its quota: the submission was refused, nothing was taken."""

    code = "out_of_space"


class ProtocolMismatch(ArtifactdError):
    """Client and daemon speak different major versions of the protocol."""

    code = "protocol"


class NotAccepted(ArtifactdError):
    """The submission came after its deadline or behind a newer call of its thread: it will never be accepted."""

    code = "not_accepted"


class ArtifactFailed(ArtifactdError):
    """The daemon gave the submission up: `subject` names the file, `message` the reason."""

    code = "failed"


class FileChanged(ArtifactFailed):
    """A file logged with `policy="immutable"` (or a file being copied) was changed."""

    code = "file_changed"


class CorruptDownload(ArtifactdError, OSError):
    """What arrived does not have the digest that its version records."""

    code = "corrupt"


class ReferenceChanged(CorruptDownload):
    """What a reference points to is not any more what its version recorded."""

    code = "reference_changed"


class VerificationFailed(ArtifactdError, ValueError):
    """A directory does not hold exactly the files of a version; `message` names those that differ."""

    code = "verification"


class DaemonUnavailable(ArtifactdError, ConnectionError):
    """No daemon answers on the socket."""

    code = "unavailable"


class CatalogUnavailable(ArtifactdError, ConnectionError):
    """The daemon's catalog does not answer. What was accepted waits for it in the daemon; look-ups need it now."""

    code = "catalog_unavailable"


class WaitTimeout(ArtifactdError, TimeoutError):
    """`wait` ran out of time; the submission goes on in the daemon."""

    code = "wait_timeout"


class ArtifactFinalizedError(ArtifactdError, ValueError):
    """The artifact was logged or finalized and cannot be changed any more."""

    code = "finalized"


class ArtifactNotLoggedError(ArtifactdError, RuntimeError):
    """Something was read that exists only once the artifact is logged."""

    code = "not_logged"


def _tree(cls: type[ArtifactdError]) -> dict[str, type[ArtifactdError]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found.update(_tree(child))
    return found


_BY_CODE = _tree(ArtifactdError)


def from_code(code: str, message: str, *, subject: str = "", remedy: str = "") -> ArtifactdError:
    """Build the error that travelled as `code`."""
    return _BY_CODE.get(code, ArtifactdError)(message, subject=subject, remedy=remedy)
