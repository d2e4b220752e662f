"""The files of a committed version, fetched and compared."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from artifactd.client._arguments import as_path, check_text
from artifactd.client._entry import ArtifactFile, Entry
from artifactd.client._keywords import also_called, ignores
from artifactd.client._versioned import Versioned
from artifactd.protocol.errors import InvalidRequest

if TYPE_CHECKING:
    from artifactd.protocol import manifest

__all__ = ["Readable"]

_Path = str | os.PathLike[str]


class Readable(Versioned):
    """What can be read of a version's files; before it is committed, `ArtifactNotLoggedError` is raised."""

    @ignores("allow_missing_references", aloud=True)
    @ignores("multipart")
    def download(
        self,
        root: _Path | None = None,
        path_prefix: str | None = None,
        skip_cache: bool = False,
        *,
        link: bool = False,
    ) -> str:
        """Fetch the files into the directory `root` (default `./artifacts/name:vN`); returns `root`.

        Files that are there and intact are not fetched again; the others appear or change atomically, each
        checked against its digest. Nothing outside `root` is written, whatever links it contains. With
        `path_prefix`, only the files whose path starts with it. May be interrupted; another call goes on.

        Files come from the node's cache, which others may have filled, else from the store; with `skip_cache`
        always from the store. With `link` they are read-only hard links into the cache, which cost no disk
        and no time, or read-only copies where there can be none; their times and link counts may change, so
        log them with the default policy.

        References are fetched like files, in the state that was recorded, but those of unknown schemes are left
        out. `ReferenceChanged` says that what one points to is not any more what the version recorded.

        Raises `EntryNotFound` where no path starts with `path_prefix`, naming near matches; `CorruptDownload`,
        `InvalidRequest` where a link or a directory is in the way or `root` can be no directory, `Denied`,
        `OutOfSpace`, `DaemonUnavailable`, `ArtifactNotLoggedError`.

        >>> artifact.download()
        'artifacts/images:v0'
        """
        from artifactd.client._download import download

        if path_prefix is not None:
            check_text(path_prefix, "path_prefix")
        version, daemon = self._require_version("download")
        target = self._root(root)
        download(daemon, version, target, path_prefix or "", linked=link, skip_cache=skip_cache)
        return target

    def checkout(self, root: _Path | None = None) -> str:
        """Make the directory `root` (default `./artifacts/name:vN`) equal to the version; returns `root`.

        Whatever else is in it is deleted: files, empty directories, and links, which are not followed. Raises
        as `download` does.

        >>> artifact.verify(artifact.checkout("images"))
        """
        from artifactd.client._download import bring
        from artifactd.client._manifest import read_entries
        from artifactd.client._porter import Errand
        from artifactd.client._referenced import comes
        from artifactd.client._tree import prune

        version, daemon = self._require_version("checkout")
        target = self._root(root)
        entries = [entry for entry in read_entries(daemon, version) if comes(entry)]
        prune(target, (entry.path for entry in entries))
        bring(Errand(daemon, version, target), entries)
        return target

    def verify(self, root: _Path | None = None) -> None:
        """Raise `VerificationFailed`, a `ValueError`, unless `root` holds the version's files and no others.

        Names every missing, differing and extra file, up to a limit; empty directories do not count. Of what was
        fetched by reference only the size is known, but for `file:` references. `root` is by default
        `./artifacts/name:vN`. Reads every file and changes none. Raises `ArtifactNotLoggedError`,
        `DaemonUnavailable`.

        >>> artifact.verify("images")
        >>> with open("images/cat.png", "w") as file:
        ...     characters = file.write("a dog")
        >>> artifact.verify("images")
        Traceback (most recent call last):
        artifactd.protocol.errors.VerificationFailed: ...cat.png...
        """
        from artifactd.client._manifest import read_entries
        from artifactd.client._referenced import comes
        from artifactd.client._tree import verify

        version, daemon = self._require_version("verify")
        verify(self._root(root), filter(comes, read_entries(daemon, version)))

    @also_called(name="path")
    def get_entry(self, path: str) -> Entry:
        """The file at `path`. Raises `EntryNotFound`, a `KeyError`, naming near matches.

        >>> artifact.get_entry("cat.png").size
        3
        """
        from artifactd.client._manifest import find_entry

        version, daemon = self._require_version("get_entry")
        return self._entry(find_entry(daemon, version, path))

    def get_path(self, name: str) -> Entry:
        """The same as `get_entry`.

        >>> artifact.get_path("cat.png").download()
        'artifacts/images:v0/cat.png'
        """
        return self.get_entry(name)

    def file(self, root: _Path | None = None) -> str:
        """Fetch the only file of the version below `root`; returns where it is.

        Raises `InvalidRequest`, a `ValueError`, if there are several or none, and as `download` does.

        >>> run.log_artifact("checkpoint.pt", name="model", type="model").wait().file()
        'artifacts/model:v0/checkpoint.pt'
        """
        version, _ = self._require_version("file")
        if version.files != 1:
            raise InvalidRequest(
                f"the version has {version.files} files, not one", subject=self.name, remedy="use download()"
            )
        (file,) = self.files()
        return self._bring(file._entry, root)

    @ignores("per_page")
    def files(self, names: str | Sequence[str] | None = None) -> Iterator[ArtifactFile]:
        """Every file, or those at `names` that there are, in the order of their paths.

        Looking at them raises `EntryNotFound`, naming near matches, if `names` are given and none is there.

        >>> [(file.name, file.size) for file in artifact.files()]
        [('cat.png', 3), ('dog.png', 3)]
        """
        from artifactd.client._manifest import find_entry, read_entries

        version, daemon = self._require_version("files")
        wanted = None if names is None else {names} if isinstance(names, str) else set(names)
        found = [entry for entry in read_entries(daemon, version) if wanted is None or entry.path in wanted]
        if wanted and not found:
            find_entry(daemon, version, min(wanted))
        for entry in found:
            yield ArtifactFile(entry.path, entry.size, entry.digest, self._entry(entry))

    def _entry(self, entry: manifest.Entry) -> Entry:
        return Entry(entry.path, entry.size, entry.digest, self, entry.reference)

    def _bring(self, entry: Entry, root: _Path | None, *, skip_cache: bool = False) -> str:
        from artifactd.client._download import bring
        from artifactd.client._porter import Errand
        from artifactd.client._referenced import comes
        from artifactd.protocol import manifest

        version, daemon = self._require_version("download")
        target = self._root(root)
        assert entry.digest is not None
        wanted = manifest.Entry(entry.path, entry.digest, entry.size, entry._reference)
        if not comes(wanted):
            raise InvalidRequest(
                f"nobody here knows how to fetch {entry.ref}", subject=entry.path, remedy="fetch it by its URI"
            )
        bring(Errand(daemon, version, target, skip_cache=skip_cache), [wanted])
        return os.path.join(target, entry.path)

    def _root(self, root: _Path | None) -> str:
        return os.path.join("artifacts", self.name) if root is None else as_path(root, "root")
