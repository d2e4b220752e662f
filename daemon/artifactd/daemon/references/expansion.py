"""From a drafted reference and what was found there to entries: pure."""

from __future__ import annotations

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import DraftEntry, Entry, Reference
from artifactd.protocol.messages import FoundObject
from artifactd.protocol.names import check_entry_path
from artifactd.protocol.references import check_uri

__all__ = ["check_found", "entry_of", "recorded", "too_many"]

_MAX_SIZE = 1 << 50
_MAX_TEXT = 1_024


def check_found(found: FoundObject) -> FoundObject:
    """Refuse what a server says of an object if no manifest should hold it."""
    texts = (found.digest, *(value for _, value in found.extra))
    if not 0 <= found.size < _MAX_SIZE or any(len(text) > _MAX_TEXT for text in texts):
        raise InvalidRequest("its server says something absurd of its size or state", subject=found.uri)
    check_uri(found.uri)
    return found


def recorded(drafted: DraftEntry) -> Entry:
    """The entry of a reference that needs no look-up."""
    reference = drafted.reference
    assert reference is not None
    assert reference.digest is not None
    return Entry(drafted.path, reference.digest, drafted.size, Reference(reference.uri, reference.extra))


def entry_of(drafted: DraftEntry, found: FoundObject) -> Entry:
    """The entry of one object: an object of a prefix goes by its name below the reference's folder.

    Raises `InvalidRequest` for an object whose name no entry can have.
    """
    reference = drafted.reference
    assert reference is not None
    if not found.name:
        path = drafted.path
    else:
        path = f"{reference.folder}/{found.name}" if reference.folder else found.name
        try:
            check_entry_path(path)
        except InvalidRequest as error:
            raise InvalidRequest(
                f"{found.uri} cannot be an entry: {error.message}", subject=drafted.path
            ) from error
    return Entry(path, found.digest, found.size, Reference(found.uri, found.extra))


def too_many(uri: str, limit: int) -> InvalidRequest:
    """The error for a prefix of more objects than its reference allows."""
    return InvalidRequest(
        f"more than {limit} objects are below this prefix",
        subject=uri,
        remedy="refer to a narrower prefix, or pass a larger max_objects",
    )
