"""`Artifact`: first a draft that files are added to, then, once logged and committed, a version to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from artifactd.client._building import Buildable
from artifactd.client._entry import Entry, Manifest
from artifactd.client._keywords import ignores
from artifactd.client._readable import Readable
from artifactd.protocol.messages import Version
from artifactd.protocol.names import check_artifact_name, check_type

if TYPE_CHECKING:
    from artifactd.client._link import Link
    from artifactd.client._tables.partitioned import PartitionedTable
    from artifactd.client._tables.table import Table

__all__ = ["Artifact"]


class Artifact(Buildable, Readable):
    """A named set of files with a type and metadata.

    Making one does no I/O. Adding a file takes its content at that moment into the spool of the process's
    daemon; nothing else is sent before `log_artifact`. May be used by several threads, by one process.

    `metadata` is a JSON object; it may be changed until the artifact is logged, and later by `save`. Dates and
    times in it become ISO text, numpy's numbers and small arrays plain numbers and lists.

    >>> artifact = artifactd.Artifact("bike-dataset", "dataset", metadata={"frames": 2})
    >>> artifact.add_dir("images")
    >>> artifact.file_count, artifact.size, artifact.state
    (2, 6, 'draft')
    """

    @ignores("storage_region", aloud=True)
    @ignores("use_as")
    def __init__(
        self,
        name: str,
        type: str,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        incremental: bool = False,
    ) -> None:
        """With `incremental`, what the newest version has besides the files added here is logged with them.

        Raises `InvalidRequest` for a name, type or metadata that the rules refuse.
        """
        super().__init__(check_artifact_name(name), description, metadata, incremental)
        self._type = check_type(type)

    @classmethod
    def _committed(cls, version: Version, link: Link) -> Artifact:
        artifact = cls(version.name, version.type)
        artifact._settle(version, link)
        return artifact

    def __repr__(self) -> str:
        return f"<Artifact {self.qualified_name if self._version else self._name} ({self._type})>"

    # What it is.

    @property
    def type(self) -> str:
        """What kind of artifact it is: the same for all versions of a collection."""
        return self._type

    @property
    def size(self) -> int:
        """Bytes of all files together; a drafted reference that nobody has looked up yet counts none."""
        if self._version:
            return self._version.size
        return self._submission.size if self._submission else self._table.size

    @property
    def file_count(self) -> int:
        """How many files it has."""
        if self._version:
            return self._version.files
        return self._submission.files if self._submission else len(self._table)

    @property
    def digest(self) -> str:
        """Of the sorted entries: equal digests are equal contents. That of a draft reads all its files.

        Raises `InvalidRequest` for a draft with a reference that nobody has looked up, `FileChanged`, and
        `ArtifactNotLoggedError` from the first attempt to log it to the commit.

        >>> draft = artifact.new_draft()
        >>> draft.digest == artifact.digest
        True
        """
        if self._submission is not None or self._handle is not None or self._version is not None:
            return super().digest
        from artifactd.client._draft_digest import digest_of_draft

        with self._lock:
            return digest_of_draft(self._table.sorted(), self._draft, self._base)

    @property
    def state(self) -> str:
        """`draft` until it is logged, then the state of its handle."""
        if self._version:
            return "committed"
        return self._handle.state if self._handle else "draft"

    def is_draft(self) -> bool:
        """Whether it is not committed, also where it is on its way; a part of a draft stays one.

        >>> draft.is_draft(), artifact.is_draft()
        (True, False)
        """
        return self.state != "committed" or (self._part is not None and not self._part.finish)

    @property
    def incremental(self) -> bool:
        """Whether it was made with `incremental=True`; False of a version that was looked up."""
        return self._incremental

    @property
    def distributed_id(self) -> str | None:
        """The draft of several writers that this object was upserted to or finished; None of any other."""
        return None if self._part is None else self._part.distributed_id

    @property
    def entries(self) -> dict[str, Entry]:
        """Every entry by its path. Once committed this reads the manifest from the daemon, each time."""
        if self._handle is None and self._version is None:
            return {entry.path: self._drafted(entry) for entry in self._table.sorted()}
        from artifactd.client._manifest import read_entries

        version, link = self._require_version("entries")
        return {entry.path: self._entry(entry) for entry in read_entries(link, version)}

    @property
    def manifest(self) -> Manifest:
        """`entries` as `.manifest.entries`; reads them each time, as that does."""
        return Manifest(self.entries)

    # Tables, of a draft and of a version.

    def add(self, obj: Table | PartitionedTable, name: str, overwrite: bool = False) -> Entry:
        """Add a table as it is now, as `name.table.json` or `name.partitioned-table.json`.

        Also `artifact[name] = obj`. The same name with the same rows changes nothing. Raises as `add_file` does.

        >>> draft.add(artifactd.Table(["id", "label"], [[1, "cat"]]), "labels").path
        'labels.table.json'
        """
        from artifactd.client._tables.storing import add

        return add(self, obj, name, overwrite)

    def __setitem__(self, name: str, obj: Table | PartitionedTable) -> None:
        self.add(obj, name)

    def get(self, name: str) -> Table | PartitionedTable:
        """The table that was added as `name`, with or without its suffix; of a draft too. Also `artifact[name]`.

        Of a committed version only the table's own file is fetched, and parts of a partitioned table as they
        are read. Raises `EntryNotFound` (a `KeyError`) naming near matches, `InvalidRequest` for a file that is
        no table inside, and what `download` raises.

        >>> draft["labels"] = artifactd.Table(["id", "label"], [[1, "cat"], [2, "dog"]])
        >>> draft.get("labels").data
        [[1, 'cat'], [2, 'dog']]
        """
        from artifactd.client._tables.storing import get

        return get(self, name)

    def __getitem__(self, name: str) -> Table | PartitionedTable:
        return self.get(name)

    def wait(self, timeout: float | None = None) -> Artifact:
        """Wait until it is committed, for at most `timeout` seconds, and return it; see `LogHandle.wait`.

        Raises as that does, and `ArtifactNotLoggedError` before logging.

        >>> handle = run.log_artifact(draft)
        >>> draft.wait(timeout=60.0).version
        'v0'
        """
        if self._handle is None:
            self._require_version("wait")
            return self
        return self._handle.wait(timeout)

    def new_draft(self) -> Artifact:
        """A draft of the next version that starts with this version's entries, description and metadata.

        Nothing is downloaded, and what it still has in common is not uploaded when it is logged, to the same
        entity. Raises `ArtifactNotLoggedError`, `DaemonUnavailable`.

        >>> draft = artifact.new_draft()
        >>> draft.remove("cat.png")
        >>> run.log_artifact(draft).wait().version
        'v1'
        """
        version, link = self._require_version("new_draft")
        draft = Artifact(version.name, self._type, self._description, self._metadata)
        draft._link = link
        draft._continue(self)
        return draft
