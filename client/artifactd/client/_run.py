"""`Run`: one execution of a pipeline step, the producer and consumer of artifacts."""

from __future__ import annotations

import json
import os
import secrets
import socket
import string
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from artifactd.client import _defaults, _exit
from artifactd.client._arguments import wrong
from artifactd.client._config import Config
from artifactd.client._connection import now
from artifactd.client._keywords import also_called, ignores
from artifactd.client._lineage import RunLineage
from artifactd.client._linking import link_version
from artifactd.client._logging import Scope, log, use
from artifactd.client._metadata import pack_json
from artifactd.client._parallel import finish, id_of_group, upsert
from artifactd.client._progress import follow
from artifactd.client._resume import check_resume
from artifactd.client._run_lock import RunLock
from artifactd.client.artifact import Artifact
from artifactd.client.handle import LogHandle
from artifactd.protocol import names
from artifactd.protocol.errors import ArtifactdError, InvalidRequest
from artifactd.protocol.messages import Done, FinishRun, GetRun, RunRecord, StartRun

if TYPE_CHECKING:
    from argparse import Namespace

    from artifactd.client.client import Client

__all__ = ["Run"]

_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 8
_EXIT_SECONDS = 1.5
"""How long the end of the program waits for a daemon that is away."""


class Run(RunLineage):
    """A run that is recorded with the daemon. Made by `init`.

    As a context manager it is finished at the end of the block, as failed if the block raised. A program that
    ends without finishing its active run closes it, as failed if it ends by an error. A run lives with the
    process that made it: when that is killed, the daemon closes it as `crashed`, whatever forked children do.
    What the run logged is committed all the same.

    `id`, `name`, `entity`, `project`, `job_type`, `group` and `config` are what it was started with, or what an
    earlier run of the same id left that was not given again. What is set in `config` later is recorded with the
    next artifact that is logged, at the latest when the run is closed. `state` is `running`, `finished` or
    `failed`.

    >>> with artifactd.init(job_type="train", config={"lr": 0.1}) as run:
    ...     print(run.job_type, run.config, run.state)
    train {'lr': 0.1} running
    """

    def __init__(
        self,
        client: Client,
        project: str | None = None,
        entity: str | None = None,
        job_type: str | None = None,
        group: str | None = None,
        name: str | None = None,
        config: Mapping[str, Any] | Namespace | None = None,
        id: str | None = None,
        resume: str | bool | None = None,
    ) -> None:
        """Records the start of the run.

        Raises `InvalidRequest`, `ArtifactNotFound`, `Denied`, `OutOfSpace`, `DaemonUnavailable`.
        """
        self._link = client.link
        self.id = names.check_scope(id or _random_id(), "run id")
        self.project = names.check_scope(project or client.scope.project, "project")
        self.entity = names.check_scope(entity or client.scope.entity, "entity")
        self._scope = Scope(self.entity, self.project, self.id)
        self.job_type = job_type
        self.group = group
        self.name = name or self.id
        self._config = Config(config)
        self.state = "running"
        self._pid = os.getpid()
        self._pending: list[LogHandle] = []
        start = StartRun(
            id=self.id,
            entity=self.entity,
            project=self.project,
            name=self.name,
            job_type=job_type,
            group=group,
            config=pack_json(dict(self._config), "config"),
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        check_resume(self._link, resume, self.entity, self.project, id)
        runs = self._link.welcome().runs
        self._lock = RunLock(runs, self.entity, self.project, self.id) if runs else None
        try:
            self._link.request(start if self._lock is None else replace(start, lock=self._lock.name), Done)
            if id is not None:
                self._recall()
        except BaseException:
            if self._lock is not None:
                # It may have been recorded all the same.
                self._lock.abandon()
            raise
        _exit.watch()

    def __repr__(self) -> str:
        return f"<Run {self.entity}/{self.project}/{self.id} {self.state}>"

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_ours:
            # A forked child that leaves the block, as by `sys.exit`, leaves its parent's run open.
            return
        if kind is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            self.finish()
            return
        self._close("failed")
        if error is not None:
            self._note_failures(error)

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
        """`Client.log_artifact` into the run's project, recorded as its output.

        Raises as that does, and `InvalidRequest` once the run is finished.

        >>> run.log_artifact("checkpoint.pt", name="model", type="model").wait().logged_by().id == run.id
        True
        """
        self._require_running()
        self._record_config()
        handle = log(
            self._link, self._scope, artifact_or_path, name, type, aliases, tags, after=after, priority=priority
        )
        self._pending.append(handle)
        return handle

    def upsert_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        distributed_id: str | None = None,
        *,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
    ) -> Artifact:
        """`Client.upsert_artifact`, in the run's project; the finished version is one of its outputs.

        >>> with artifactd.init(group="night-7") as run:
        ...     part = run.upsert_artifact("checkpoint.pt", name="model", type="model")
        """
        self._require_running()
        self._record_config()
        draft = id_of_group(self.group) if distributed_id is None else distributed_id
        return upsert(self._link, self._scope, artifact_or_path, draft, name, type, aliases)

    def finish_artifact(
        self,
        artifact_or_path: Artifact | str | os.PathLike[str],
        distributed_id: str | None = None,
        *,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
    ) -> LogHandle:
        """`Client.finish_artifact`, in the run's project; the version is logged by this run.

        >>> with artifactd.init(group="night-7") as run:
        ...     handle = run.finish_artifact("checkpoint.pt", name="model", type="model")
        >>> handle.version
        'v0'
        """
        self._require_running()
        self._record_config()
        draft = id_of_group(self.group) if distributed_id is None else distributed_id
        handle = finish(self._link, self._scope, artifact_or_path, draft, name, type, aliases)
        self._pending.append(handle)
        return handle

    @ignores("use_as")
    @also_called(artifact_or_name="address_or_artifact")
    def use_artifact(
        self,
        address_or_artifact: str | Artifact,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
    ) -> Artifact:
        """`Client.use_artifact`, in the run's project, recorded as its input. The run is never its producer.

        Raises as that does, and `InvalidRequest` once the run is finished.

        >>> images = run.use_artifact("images:latest", type="dataset")
        >>> [used.name for used in run.used_artifacts()]
        ['images:v0']
        """
        self._require_running()
        return use(self._link, self._scope, address_or_artifact, type, aliases)

    def link_artifact(
        self, artifact: Artifact, target_path: str, aliases: Sequence[str] | None = None
    ) -> Artifact:
        """`Artifact.link`, completing the path by the run's entity and project.

        A draft is logged first, and one on its way is waited for. Raises as those do, and `InvalidRequest` once
        the run is finished.

        >>> run.link_artifact(artifact, "registry/animals", aliases=["production"]).source_name
        'images:v0'
        """
        self._require_running()
        if not isinstance(artifact, Artifact | LogHandle):
            raise wrong("artifact", "an Artifact", artifact, "look it up with use_artifact")
        if artifact.state == "draft":
            self.log_artifact(artifact)
        version, link = artifact.wait()._require_version("link_artifact")
        return link_version(link, version, target_path, aliases, entity=self.entity, project=self.project)

    @ignores("quiet")
    def finish(self, exit_code: int | None = None) -> None:
        """Wait for what the run logged, then close it: as failed if `exit_code` is given and not 0.

        Progress is shown when stderr is a terminal. The run is closed first if an artifact failed, which is
        then raised as `ArtifactFailed`. Interrupting the wait leaves the run open and its artifacts on their way.
        Calling it again does nothing.

        >>> run.finish()
        >>> api.run(run.id).state
        'finished'
        """
        if self.state != "running":
            return
        failures = follow(self._pending)
        self._close("failed" if exit_code else "finished")
        if failures:
            raise failures[0]

    def _recall(self) -> None:
        """Learn what is recorded of the run: what was given, and what it had before."""
        record = self._link.request(GetRun(entity=self.entity, project=self.project, id=self.id), RunRecord)
        self.name, self.job_type, self.group = record.name, record.job_type, record.group
        self._config = Config(json.loads(record.config))

    @property
    def config(self) -> Config:
        """The run's settings: a mapping with JSON values, set as items or attributes, or by `update`."""
        return self._config

    def _note_failures(self, error: BaseException) -> None:
        """Add to `error` which artifacts have failed by now; those on their way are not waited for."""
        for handle in self._pending:
            try:
                submission = handle.look()
            except ArtifactdError:
                # What ended the block is what its reader must see.
                return
            if submission.error is not None:
                error.add_note(f"artifactd: {submission.name} was not committed: {submission.error.message}")

    def _record_config(self, deadline: float | None = None) -> None:
        """Tell the daemon what was set in the config since it was told last."""
        fresh = self._config._fresh()
        if not fresh:
            return
        self._link.require("run_config")
        request = StartRun(
            id=self.id,
            entity=self.entity,
            project=self.project,
            name=self.name,
            config=pack_json(fresh, "config"),
            config_only=True,
        )
        self._link.request(request, Done, deadline=deadline)
        self._config._sent(fresh)

    @property
    def path(self) -> str:
        """`entity/project/id`."""
        return f"{self.entity}/{self.project}/{self.id}"

    @property
    def url(self) -> None:
        """None: there is no page of a run to look at."""
        return None

    @property
    def _is_ours(self) -> bool:
        """Whether this process began the run; a forked child of the one that did may log by it."""
        return os.getpid() == self._pid

    def _close_at_exit(self) -> None:
        """Close the run at the end of the program: as failed if that ends by an error, as far as is known.

        Does not wait for what the run logged, since none of that is lost, and hardly for a daemon that is away:
        then there is a warning, and the run is found crashed. Does nothing in a forked child.
        """
        if self._is_ours and self.state == "running":
            try:
                self._close("failed" if _exit.failed() else "finished", now() + _EXIT_SECONDS)
            except ArtifactdError as error:
                warnings.warn(f"the run {self.id} could not be closed: {error}", UserWarning, stacklevel=2)

    def _close(self, state: str, deadline: float | None = None) -> None:
        if _defaults.active_run() is self:
            _defaults.set_active_run(None)
        self._record_config(deadline)
        request = FinishRun(id=self.id, entity=self.entity, project=self.project, state=state)
        self._link.request(request, Done, deadline=deadline)
        self.state = state
        if self._lock is not None:
            self._lock.remove()

    def _require_running(self) -> None:
        if self.state != "running":
            raise InvalidRequest(f"the run is {self.state}", subject=self.id, remedy="start another with init()")


def _random_id() -> str:
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
