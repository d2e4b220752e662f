"""`Client`: one process's way to one daemon."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from artifactd.client import _defaults
from artifactd.client._arguments import check_timeout
from artifactd.client._keywords import also_called, ignores
from artifactd.client._link import Link
from artifactd.client._logging import Scope, as_name, log, look_up, use
from artifactd.client._parallel import finish, upsert
from artifactd.client.artifact import Artifact
from artifactd.client.handle import LogHandle
from artifactd.protocol import names
from artifactd.protocol.endpoint import find_socket
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.messages import (
    Collection,
    Collections,
    GetCollections,
    GetStatus,
    GetVersions,
    StatusSnapshot,
    Version,
    Versions,
)

__all__ = ["Client"]

UNCATEGORIZED = "uncategorized"
_ID_BYTES = 16


class Client:
    """Talks to the daemon behind one socket; usable from every thread, and in forked children.

    `socket` is by default what `ARTIFACTD_SOCKET` and `ARTIFACTD_HOME` say. `timeout` (seconds) is how long
    a call waits for a daemon that was reached before, or for its catalog; a daemon that never was reached fails
    within a second. `entity` and `project` complete addresses: by default `ARTIFACTD_ENTITY`, else the login
    name, and `ARTIFACTD_PROJECT`, else `uncategorized`.

    The first client of a process is its default: `init`, `log_artifact` and `use_artifact` of this package
    go through it, and artifacts under construction keep their files in its daemon's spool.

    >>> with artifactd.Client(project="bikes", timeout=5.0) as client:
    ...     print(client.use_artifact("images").version)
    v0
    """

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        timeout: float = 30.0,
        project: str | None = None,
        entity: str | None = None,
    ) -> None:
        """Does no I/O. Raises `InvalidRequest` for names and socket paths that the rules refuse."""
        self.link = Link(find_socket() if socket is None else Path(socket).absolute(), check_timeout(timeout))
        self.scope = Scope(
            names.check_scope(entity or os.environ.get("ARTIFACTD_ENTITY") or _login_name(), "entity"),
            names.check_scope(project or os.environ.get("ARTIFACTD_PROJECT") or UNCATEGORIZED, "project"),
        )
        _defaults.adopt(self)

    def __repr__(self) -> str:
        return f"<Client {self.scope.entity}/{self.scope.project} at {self.link.socket}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this thread's connection. Nothing is lost: what was accepted goes on in the daemon.

        >>> client.close()
        """
        _defaults.abandon(self)
        self.link.close()

    def log_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        *,
        after: LogHandle | None = None,
        priority: int = 0,
    ) -> LogHandle:
        """Hand an artifact to the daemon; returns once it is accepted: it survives a kill of either process.

        `latest` moves to the new version, and `aliases`, a list or one string, with it. A path is wrapped into an
        artifact, called `name` (default: after the path) of `type` (default `unspecified`). With `after`, the
        commit waits until that one is committed, and fails if it fails. Higher `priority` is uploaded earlier; the
        order of commits stays.

        The call never waits for a network. If it raises or is interrupted, calling it again with the same
        artifact resolves to the same submission, should that have been accepted after all. Raises
        `DaemonUnavailable`, `OutOfSpace`, `Denied`, `NotAccepted`, `Conflict`, `InvalidRequest`.

        >>> with draft.new_file("weights.txt") as file:
        ...     characters = file.write("0.25 0.75")
        >>> client.log_artifact(draft, aliases=["best"], tags=["nightly"]).wait().name
        'model:v0'
        """
        return log(
            self.link, self.scope, artifact_or_path, name, type, aliases, tags, after=after, priority=priority
        )

    def upsert_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        distributed_id: str | None = None,
        *,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
    ) -> Artifact:
        """Add an artifact's files to a version that several processes, on any nodes, make together.

        They name it by `distributed_id` (letters, digits, `_ - .`), by default the group of the run (where it has
        other letters, a name made from it). Returns once
        this part is registered for all of them: the one call that waits for the store and the catalog. It may be
        interrupted; calling it again with the same artifact resolves to the same part. A path is wrapped into an
        artifact as by `log_artifact`. There is no version before `finish_artifact`.

        The same path with the same content may come from several; other content raises `ArtifactFailed` naming
        the path and both writers, as does an upsert to what was finished, or has expired: days after its last
        part. Metadata, aliases, tags, description and ttl go with the part; of two that say the same, the later
        wins. Raises `TypeError` without id and group, and what `log_artifact` raises.

        >>> part = client.upsert_artifact("images", "night-7", name="model", type="model")
        >>> handle = client.finish_artifact("checkpoint.pt", "night-7", name="model", type="model")
        >>> list(handle.wait().entries)
        ['cat.png', 'checkpoint.pt', 'dog.png']
        """
        return upsert(self.link, self.scope, artifact_or_path, distributed_id, name, type, aliases)

    def finish_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        distributed_id: str | None = None,
        *,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
    ) -> LogHandle:
        """Commit one version with the artifact's files, if any, and all that was upserted before.

        Returns at once, as `log_artifact` does, a handle to wait for; the version takes its place in the order of
        its collection by this call. Description and ttl are this artifact's, else those of the last part that
        has them; metadata, aliases and tags are those of all. If it fails, upserts and another finish are taken
        again. Raises `TypeError` without id and group, and what `log_artifact` raises.

        >>> handle = client.finish_artifact("checkpoint.pt", "night-7", name="m", type="model", aliases=["all"])
        >>> handle.wait().aliases
        ['all', 'latest']
        """
        return finish(self.link, self.scope, artifact_or_path, distributed_id, name, type, aliases)

    @ignores("use_as")
    @also_called(artifact_or_name="address_or_artifact")
    def use_artifact(
        self,
        address_or_artifact: str | Artifact,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
    ) -> Artifact:
        """Look a version up by its address.

        For an `Artifact` that was not logged, the newest version of its collection with the same contents is
        taken, and only where there is none is it logged: however many processes do so, there is one version.
        `aliases` move to what is taken, `latest` only to what is logged. The call waits for the commit.

        Raises `ArtifactNotFound`; `InvalidRequest` if it is not of `type`, or for `aliases` with an address or a
        logged artifact; `DaemonUnavailable`, and for an artifact what `log_artifact` and `wait` raise.

        >>> client.use_artifact("images:v0", type="dataset").aliases
        ['best', 'latest']
        """
        return use(self.link, self.scope, address_or_artifact, type, aliases)

    def handle(self, id: str) -> LogHandle:
        """The handle of a submission that this or another process of the same user logged.

        `id` is `LogHandle.id`, 32 hex digits; anything else raises `InvalidRequest`. Asks the daemon nothing: the
        handle's methods raise `ArtifactNotFound` for an id that it does not know.

        >>> client.handle(handle.id).wait().version
        'v0'
        """
        try:
            raw = bytes.fromhex(id)
        except ValueError:
            raw = b""
        if len(raw) != _ID_BYTES:
            raise InvalidRequest(f"{id!r} is not the id of a submission", remedy="ids have 32 hex digits")
        return LogHandle(self.link, raw)

    def status(self, limit: int = 50) -> dict[str, Any]:
        """The daemon's status, as `artifactd status --json` prints it, with at most `limit` items.

        The object is described in `docs/status.md`. Raises `DaemonUnavailable`.

        >>> client.status()["store"]["uploaded_bytes"] > 0
        True
        """
        return self.link.request(GetStatus(limit=limit), StatusSnapshot).status

    def collections(self, project: str | None = None) -> Iterator[Collection]:
        """The entity's artifact collections, of one project or of all, by name; pages are fetched lazily.

        >>> [(collection.name, collection.type) for collection in client.collections("bikes")]
        [('images', 'dataset')]
        """

        def page(last: Collection | None) -> Collections:
            after = None if last is None else (last.project, last.name)
            return self.link.request(
                GetCollections(entity=self.scope.entity, project=project, after=after), Collections
            )

        return _paged(page)

    def version(self, address: str) -> Version:
        """What the catalog says of one version. Raises `ArtifactNotFound`.

        >>> client.version("images:best").files
        2
        """
        return look_up(self.link, self.scope, address)

    def versions(self, address: str) -> Iterator[Version]:
        """The versions of a collection, newest first; pages are fetched lazily. Raises `ArtifactNotFound`.

        >>> [version.version for version in client.versions("images")]
        [0]
        """
        scope = names.Address.parse(address, entity=self.scope.entity, project=self.scope.project)

        def page(last: Version | None) -> Versions:
            before = None if last is None else last.version
            return self.link.request(
                GetVersions(entity=scope.entity, project=scope.project, name=scope.name, before=before), Versions
            )

        return _paged(page)


def _paged(page: Callable[[Any], Any]) -> Iterator[Any]:
    last = None
    while True:
        reply = page(last)
        yield from reply.items
        if not reply.more or not reply.items:
            return
        last = reply.items[-1]


def _login_name() -> str:
    try:
        return as_name(getpass.getuser())
    except (KeyError, OSError):  # the uid has no name, as in many containers
        return f"uid{os.getuid()}"
