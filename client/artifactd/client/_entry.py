"""The files of an artifact, one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from artifactd.protocol.errors import ArtifactNotLoggedError, InvalidRequest

if TYPE_CHECKING:
    from artifactd.client._readable import Readable

__all__ = ["ArtifactFile", "Entry", "Manifest"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an artifact: `size` in bytes; `digest` (`blake3:…`) is None until it is committed."""

    path: str
    size: int
    digest: str | None = None
    _artifact: Readable | None = field(default=None, compare=False, repr=False)

    def download(self, root: str | os.PathLike[str] | None = None, skip_cache: bool = False) -> str:
        """Fetch this file to its path below the directory `root` (default `./artifacts/name:vN`).

        Returns where it is. Raises as `Artifact.download` does.

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
