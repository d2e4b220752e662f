"""The process's default client and active run, behind the functions of the package."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from artifactd.client._keywords import also_called, ignores

if TYPE_CHECKING:
    from argparse import Namespace

    from artifactd.client._run import Run
    from artifactd.client.artifact import Artifact
    from artifactd.client.client import Client
    from artifactd.client.handle import LogHandle

__all__ = [
    "abandon",
    "active_run",
    "adopt",
    "default_client",
    "finish",
    "finish_artifact",
    "init",
    "link_artifact",
    "log_artifact",
    "login",
    "set_active_run",
    "upsert_artifact",
    "use_artifact",
]

_lock = threading.RLock()
_client: Client | None = None
_run: Run | None = None


def adopt(client: Client) -> None:
    """Make `client` the default if there is none."""
    global _client
    with _lock:
        _client = _client or client


def abandon(client: Client) -> None:
    """Stop using `client` as the default."""
    global _client
    with _lock:
        if _client is client:
            _client = None


def default_client() -> Client:
    """The first client that this process made and did not close; else one made from the environment."""
    from artifactd.client.client import Client

    with _lock:
        return _client or Client()


def active_run() -> Run | None:
    return _run


def set_active_run(run: Run | None) -> None:
    """Make `run` the active one; it is closed at the end of the program if nobody does so before."""
    global _run
    atexit.unregister(_close_active_run)
    _run = run
    if run is not None:
        # Registered anew each time: what is registered last runs first, and the sockets' own hook closes them.
        atexit.register(_close_active_run)


def _close_active_run() -> None:
    if _run is not None:
        _run._close_at_exit()


@ignores(
    *("tags", "notes", "mode", "dir", "settings", "save_code", "monitor_gym", "sync_tensorboard", "tensorboard"),
    *("magic", "config_exclude_keys", "config_include_keys"),
    aloud=True,
)
@ignores("reinit", "anonymous", "force", "allow_val_change")
def init(
    project: str | None = None,
    entity: str | None = None,
    job_type: str | None = None,
    group: str | None = None,
    name: str | None = None,
    config: Mapping[str, Any] | Namespace | None = None,
    id: str | None = None,
    resume: str | bool | None = None,
) -> Run:
    """Start a run with the process's default client and make it the active one; an active one is finished.

    Only in the process that began it: a forked child that starts a run of its own leaves its parent's open.
    `id` resumes an earlier run, which keeps what is not given again: of its config, each key. `config` is a JSON
    object or an `argparse.Namespace`. Use the run as a context manager, or call its `finish`.

    With `resume="must"` the run must exist (else `ArtifactNotFound`), with `"never"` it must not
    (`InvalidRequest`); other values of W&B change nothing. Raises `InvalidRequest`, `DaemonUnavailable`.

    >>> with artifactd.init(project="bikes", job_type="evaluate", config={"threshold": 0.5}) as run:
    ...     images = run.use_artifact("images:best")
    >>> run.state, images.version
    ('finished', 'v0')
    """
    from artifactd.client._run import Run

    if _run is not None and _run._is_ours:
        _run.finish()
    run = Run(default_client(), project, entity, job_type, group, name, config, id, resume)
    set_active_run(run)
    return run


@ignores("quiet")
def finish(exit_code: int | None = None) -> None:
    """Finish the active run, if there is one; see `Run.finish`.

    >>> artifactd.finish()
    >>> run.state
    'finished'
    """
    if _run is not None:
        _run.finish(exit_code)


def log_artifact(
    artifact_or_path: Artifact | str | os.PathLike[str],
    name: str | None = None,
    type: str | None = None,
    aliases: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    *,
    after: LogHandle | None = None,
    priority: int = 0,
) -> LogHandle:
    """`Client.log_artifact` by the active run, or without a producer when there is none.

    >>> handle = artifactd.log_artifact("checkpoint.pt", name="model", type="model", aliases=["best"])
    >>> handle.wait().version
    'v0'
    """
    return (_run or default_client()).log_artifact(
        artifact_or_path, name, type, aliases, tags, after=after, priority=priority
    )


def link_artifact(artifact: Artifact, target_path: str, aliases: Sequence[str] | None = None) -> Artifact:
    """`Run.link_artifact` by the active run, or `Artifact.link` of the logged artifact without one.

    >>> artifactd.link_artifact(artifact, "registry/animals", aliases=["production"]).name
    'animals:v0'
    """
    if _run is not None:
        return _run.link_artifact(artifact, target_path, aliases)
    if artifact.state == "draft":
        log_artifact(artifact)
    return artifact.wait().link(target_path, aliases)


def login(key: str | None = None, **options: Any) -> bool:
    """Nothing: the daemon knows its callers by their user id. Takes what W&B's takes, and returns True.

    >>> artifactd.login()
    True
    """
    return True


def upsert_artifact(
    artifact_or_path: Artifact | str | os.PathLike[str],
    distributed_id: str | None = None,
    *,
    name: str | None = None,
    type: str | None = None,
    aliases: Sequence[str] | None = None,
) -> Artifact:
    """`Client.upsert_artifact` by the active run, or without one: then `distributed_id` is needed.

    >>> part = artifactd.upsert_artifact("checkpoint.pt", "night-7", name="model", type="model")
    >>> artifactd.finish_artifact(artifactd.Artifact("model", "model"), "night-7").wait().version
    'v0'
    """
    return (_run or default_client()).upsert_artifact(
        artifact_or_path, distributed_id, name=name, type=type, aliases=aliases
    )


def finish_artifact(
    artifact_or_path: Artifact | str | os.PathLike[str],
    distributed_id: str | None = None,
    *,
    name: str | None = None,
    type: str | None = None,
    aliases: Sequence[str] | None = None,
) -> LogHandle:
    """`Client.finish_artifact` by the active run, or without one: then `distributed_id` is needed.

    >>> artifactd.finish_artifact("checkpoint.pt", "night-7", name="model", type="model").wait().version
    'v0'
    """
    return (_run or default_client()).finish_artifact(
        artifact_or_path, distributed_id, name=name, type=type, aliases=aliases
    )


@ignores("use_as")
@also_called(artifact_or_name="address_or_artifact")
def use_artifact(
    address_or_artifact: str | Artifact, type: str | None = None, aliases: Sequence[str] | None = None
) -> Artifact:
    """`Client.use_artifact`, recorded as input of the active run if there is one.

    >>> artifactd.use_artifact("images:best").version
    'v0'
    """
    return (_run or default_client()).use_artifact(address_or_artifact, type, aliases)
