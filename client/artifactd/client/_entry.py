"""The files of an artifact, one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from artifactd.protocol.errors import ArtifactNotLoggedError, InvalidRequest
from artifactd.protocol.manifest import Reference

if TYPE_CHECKING:
    from artifactd.client._readable import Readable

__all__ = ["ArtifactFile", "Entry", "Manifest"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an artifact, a file or a reference.

    `size` in bytes. `digest` is `blake3:…` and None until it is committed. That of a reference is the checksum
    which its scheme offers (`etag:…`, `crc32c:…`), empty where there is none; its size is 0 where nobody knows it.
    """

    path: str
    size: int
    digest: str | None = None
    _artifact: Readable | None = field(default=None, compare=False, repr=False)
    _reference: Reference | None = field(default=None, repr=False)

    @property
    def ref(self) -> str | None:
        """The URI that the entry refers to; None for a stored file."""
        return None if self._reference is None else self._reference.uri

    def ref_target(self) -> str:
        """The URI that the entry refers to. Raises `InvalidRequest`, a `ValueError`, for a stored file.

        >>> (entry,) = draft.add_reference("ipfs://bafy/model.pt", name="model.pt")
        >>> entry.ref_target()
        'ipfs://bafy/model.pt'
        """
        if self._reference is None:
            raise InvalidRequest("the entry is a stored file, not a reference", subject=self.path)
        return self._reference.uri

    def ref_url(self) -> str:
        """Where the contents are: the URI of a reference, `artifactd://entity/project/name:v3/path` of a file.

        Raises `ArtifactNotLoggedError` for a file of an artifact that is not committed.

        >>> artifact.get_entry("cat.png").ref_url()
        'artifactd://.../bikes/images:v0/cat.png'
        """
        if self._reference is not None:
            return self._reference.uri
        if self._artifact is None:
            raise ArtifactNotLoggedError("the entry belongs to no committed version", subject=self.path)
        return f"artifactd://{self._artifact.qualified_name}/{self.path}"

    def download(self, root: str | os.PathLike[str] | None = None, skip_cache: bool = False) -> str:
        """Fetch this file to its path below the directory `root` (default `./artifacts/name:vN`).

        Returns where it is. Raises as `Artifact.download` does, and `InvalidRequest` for a reference of a scheme
        that nobody here knows.

        >>> artifact.get_entry("cat.png").download("here")
        'here/cat.png'
        """
        if self._artifact is None:
            raise ArtifactNotLoggedError("the entry belongs to no committed version", subject=self.path)
        return self._artifact._bring(self, root, skip_cache=skip_cache)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact holds: `entries` by path, in the order of the UTF-8 bytes of their paths.

    Its length is the number of entries, and it iterates over them.

    >>> [entry.path for entry in artifact.manifest]
    ['cat.png', 'dog.png']
    """

    entries: Mapping[str, Entry]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One file of a committed version, as `Artifact.files` yields it; `name` is its path, `size` is in bytes."""

    name: str
    size: int
    digest: str
    _entry: Entry = field(compare=False, repr=False)

    def download(
        self, root: str | os.PathLike[str] = ".", replace: bool = False, exist_ok: bool = False
    ) -> IO[str]:
        """Fetch it to `name` below the directory `root`; returns it opened for reading, which the caller closes.

        A file that is there is an error (`InvalidRequest`), unless `replace`, or `exist_ok`, which keeps it as
        it is. Raises as `Artifact.download` does.

        >>> cat, dog = artifact.files()
        >>> with cat.download("here") as file:
        ...     file.read()
        'cat'
        """
        path = os.path.join(root, self.name)
        if not (os.path.lexists(path) and exist_ok and not replace):
            if os.path.lexists(path) and not replace:
                raise InvalidRequest("there is a file already", subject=path, remedy="pass replace or exist_ok")
            self._entry.download(root)
        return open(path, encoding="utf-8")
