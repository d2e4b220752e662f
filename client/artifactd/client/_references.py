"""References of an artifact under construction: what `add_reference` makes of a URI."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from artifactd.client._entry import Entry
from artifactd.client._snapshot import identity, open_regular
from artifactd.client._target import digest_of_file
from artifactd.client._walk import find_files
from artifactd.protocol.errors import FileChanged, InvalidRequest
from artifactd.protocol.manifest import DraftEntry, DraftReference, Reference
from artifactd.protocol.messages import FoundObject, LookUp, Resolved
from artifactd.protocol.names import normalise_entry_path
from artifactd.protocol.references import LOOKED_UP, MAX_OBJECTS, check_uri, scheme_of

if TYPE_CHECKING:
    from artifactd.client._building import Buildable

__all__ = ["as_entry", "draft_references", "local_path", "resolve"]

_LOOKED_UP_AT_ONCE = 10_000
_PATIENCE = 60.0
"""Seconds that the daemon may take over a look-up."""
_HASHERS = min(4, len(os.sched_getaffinity(0)))


def draft_references(uri: str, name: str | None, checksum: bool, max_objects: int) -> list[DraftEntry]:
    """See `Artifact.add_reference`; nothing but local files is looked at."""
    scheme = scheme_of(check_uri(uri))
    if isinstance(max_objects, bool) or not isinstance(max_objects, int) or not 1 <= max_objects <= MAX_OBJECTS:
        raise InvalidRequest(f"max_objects must be a number from 1 to {MAX_OBJECTS}, not {max_objects!r}")
    folder = "" if name is None else normalise_entry_path(name)
    if scheme == "file":
        return _local(uri, folder, checksum, max_objects)
    if scheme not in LOOKED_UP and not folder:
        raise InvalidRequest(f"a reference of the scheme {scheme!r} needs a name", subject=uri)
    digest = None if scheme in LOOKED_UP and checksum else ""
    path = folder or _name_in(uri)
    return [DraftEntry(path, 0, b"", 0, None, DraftReference(uri, digest, (), max_objects, folder))]


def as_found(drafted: DraftEntry, found: FoundObject) -> DraftEntry:
    """The drafted entry of one object that a look-up of `drafted` gave."""
    reference = drafted.reference
    assert reference is not None
    path = drafted.path
    if found.name:
        path = normalise_entry_path(f"{reference.folder}/{found.name}" if reference.folder else found.name)
    return DraftEntry(
        path, found.size, b"", 0, None, DraftReference(found.uri, found.digest, found.extra, reference.limit)
    )


def resolve(artifact: Buildable, drafted: DraftEntry) -> tuple[int, str]:
    """Have the daemon look a drafted reference up now; what it finds takes its place. See `PendingEntry`."""
    from artifactd.client._defaults import default_client

    reference = drafted.reference
    assert reference is not None
    client = default_client()
    link = artifact._link or client.link
    link.require("references")
    request = LookUp(entity=client.scope.entity, uri=reference.uri, limit=min(reference.limit, _LOOKED_UP_AT_ONCE))
    found = link.request(request, Resolved, patience=_PATIENCE).objects
    with artifact._lock:
        artifact._require_open()
        if artifact._table.get(drafted.path) is drafted:
            artifact._table.remove(drafted.path)
            try:
                artifact._add_references([as_found(drafted, item) for item in found])
            except InvalidRequest:
                artifact._table.put(drafted)
                raise
    return sum(item.size for item in found), "" if found[0].name else found[0].digest


def as_entry(drafted: DraftEntry) -> Entry:
    """What the user sees of a drafted reference that needs no look-up."""
    reference = drafted.reference
    assert reference is not None
    return Entry(drafted.path, drafted.size, reference.digest, None, Reference(reference.uri, reference.extra))


def local_path(uri: str) -> str:
    """The path that a `file:` URI names. Raises `InvalidRequest` for one of another host, or a relative one."""
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise InvalidRequest(
            "a file's URI has an absolute path", subject=uri, remedy="write file:///directory/file"
        )
    return unquote(parts.path)


def _local(uri: str, folder: str, checksum: bool, max_objects: int) -> list[DraftEntry]:
    path = local_path(uri)
    if not os.path.isdir(path):
        return [_file(folder or normalise_entry_path(os.path.basename(path)), uri, path, checksum)]
    prefix = f"{folder}/" if folder else ""
    found = find_files(path, prefix)
    if len(found) > max_objects:
        raise InvalidRequest(
            f"the directory has {len(found)} files, more than {max_objects}",
            subject=path,
            remedy="refer to a part of it, or pass a larger max_objects",
        )
    top = uri.partition("#")[0].partition("?")[0].rstrip("/")
    with ThreadPoolExecutor(_HASHERS) as threads:
        made = [
            threads.submit(_file, one.path, f"{top}/{quote(one.path.removeprefix(prefix))}", one.file, checksum)
            for one in found
        ]
        return [future.result() for future in made]


def _file(path: str, uri: str, file: str, checksum: bool) -> DraftEntry:
    check_uri(uri)
    fd, status = open_regular(file)
    try:
        digest = digest_of_file(fd) if checksum else ""
        if identity(os.fstat(fd)) != identity(status):
            raise FileChanged("the file changed while it was read", subject=file)
    finally:
        os.close(fd)
    return DraftEntry(path, status.st_size, b"", 0, None, DraftReference(uri, digest, (), 1))


def _name_in(uri: str) -> str:
    """The last component of a URI's path, else its bucket."""
    _, _, rest = uri.partition("://")
    if scheme_of(uri) in ("http", "https"):
        rest = rest.partition("?")[0].partition("#")[0].partition("/")[2]
    else:
        rest = rest.partition("?versionId=")[0].partition("#")[0]
    last = rest.rstrip("/").rpartition("/")[2]
    if not last:
        raise InvalidRequest("the URI has nothing to name the entry after", subject=uri, remedy="pass name=")
    return normalise_entry_path(last)
