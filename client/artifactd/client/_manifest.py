"""The list of a committed version's entries, as the daemon keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import BinaryIO

from artifactd.client._landing import Landing
from artifactd.client._link import Link
from artifactd.client._node_cache import NodeCache
from artifactd.client._target import digest_of_file
from artifactd.protocol import manifest
from artifactd.protocol.errors import CorruptDownload, EntryNotFound
from artifactd.protocol.manifest import Entry, read_manifest
from artifactd.protocol.messages import FetchManifest, Version
from artifactd.protocol.names import normalise_entry_path

__all__ = ["find_entry", "no_entry", "open_manifest", "read_entries"]


@contextmanager
def open_manifest(link: Link, version: Version) -> Iterator[BinaryIO]:
    """The version's manifest, whose digest was checked. Raises `CorruptDownload`."""
    cache = NodeCache(link.welcome().cache)
    fd = cache.open(version.digest)
    if fd is not None:
        with open(fd, "rb") as file:
            if digest_of_file(fd) == version.digest:
                yield file
                return
        cache.drop(version.digest)
    with Landing(link) as landing:
        landing.fetch(
            FetchManifest(
                entity=version.entity,
                project=version.project,
                name=version.name,
                version=version.version,
                landing=landing.name,
            )
        )
        with open(landing.open("manifest"), "rb") as file:
            if digest_of_file(file.fileno()) != version.digest:
                raise CorruptDownload(
                    "the manifest that arrived does not have the version's digest",
                    subject=f"{version.name}:v{version.version}",
                )
            yield file


def read_entries(link: Link, version: Version) -> list[Entry]:
    """Every entry of the version, in order."""
    with open_manifest(link, version) as file:
        return list(read_manifest(file))


def find_entry(link: Link, version: Version, path: str) -> Entry:
    """The entry at `path`. Raises `EntryNotFound`, naming those that are spelled alike."""
    wanted = normalise_entry_path(path)
    with open_manifest(link, version) as file:
        found = manifest.find_entry(file, wanted)
        if found is not None:
            return found
        file.seek(0)
        raise no_entry(f"the version has no entry {wanted!r}", version, wanted, file)


def no_entry(message: str, version: Version, wanted: str, manifest: BinaryIO) -> EntryNotFound:
    """The error, whose remedy names the files, and directories of them, that are spelled like `wanted`."""
    paths = [entry.path for entry in read_manifest(manifest)]
    folders = {path[: match.end()] for path in paths for match in re.finditer("/", path)}
    near = get_close_matches(wanted, [*paths, *folders])
    return EntryNotFound(
        message,
        subject=f"{version.name}:v{version.version}",
        remedy=f"did you mean {' or '.join(map(repr, near))}?" if near else "see .manifest.entries",
    )
