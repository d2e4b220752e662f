"""The light client: hands artifacts to the node's daemon and never waits for a network.

>>> import artifactd.client as artifactd
>>> with artifactd.init(project="bikes", job_type="train"):
...     artifact = artifactd.Artifact("model", "model", metadata={"epoch": 3})
...     entry = artifact.add_file("checkpoint.pt")
...     handle = artifactd.log_artifact(artifact)  # accepted: survives a kill of either process
>>> handle.version
'v0'

`run` is the active run and `config` its configuration, None without one; `data_types` is the module of what
artifacts store besides files; `__version__` is the release. Importing this package costs next to nothing:
each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artifactd.client import data_types
    from artifactd.client._defaults import (
        finish,
        finish_artifact,
        init,
        link_artifact,
        log_artifact,
        login,
        upsert_artifact,
        use_artifact,
    )
    from artifactd.client._entry import Entry
    from artifactd.client._run import Run
    from artifactd.client._tables.table import Table
    from artifactd.client.api import Api
    from artifactd.client.artifact import Artifact
    from artifactd.client.client import Client
    from artifactd.client.handle import LogHandle, Progress
    from artifactd.protocol.errors import (
        ArtifactdError,
        ArtifactFailed,
        ArtifactFinalizedError,
        ArtifactNotFound,
        ArtifactNotLoggedError,
        CatalogUnavailable,
        ColumnNotFound,
        Conflict,
        CorruptDownload,
        DaemonUnavailable,
        Denied,
        EntryNotFound,
        FileChanged,
        InvalidRequest,
        NotAccepted,
        OutOfSpace,
        ProtocolMismatch,
        ReferenceChanged,
        VerificationFailed,
        WaitTimeout,
    )

    __version__: str
    run: Run | None
    """The process's active run: set by `init`, cleared when it finishes."""
    config: Any
    """The active run's `config`."""

__all__ = [
    "Api",
    "Artifact",
    "ArtifactFailed",
    "ArtifactFinalizedError",
    "ArtifactNotFound",
    "ArtifactNotLoggedError",
    "ArtifactdError",
    "CatalogUnavailable",
    "Client",
    "ColumnNotFound",
    "Conflict",
    "CorruptDownload",
    "DaemonUnavailable",
    "Denied",
    "Entry",
    "EntryNotFound",
    "FileChanged",
    "InvalidRequest",
    "LogHandle",
    "NotAccepted",
    "OutOfSpace",
    "Progress",
    "ProtocolMismatch",
    "ReferenceChanged",
    "Run",
    "Table",
    "VerificationFailed",
    "WaitTimeout",
    "__version__",
    "config",
    "data_types",
    "finish",
    "finish_artifact",
    "init",
    "link_artifact",
    "log_artifact",
    "login",
    "run",
    "upsert_artifact",
    "use_artifact",
]

_HOMES = {
    "artifactd.client._defaults": (
        "finish",
        "finish_artifact",
        "init",
        "link_artifact",
        "log_artifact",
        "login",
        "upsert_artifact",
        "use_artifact",
    ),
    "artifactd.client._run": ("Run",),
    "artifactd.client._tables.table": ("Table",),
    "artifactd.client.api": ("Api",),
    "artifactd.client._entry": ("Entry",),
    "artifactd.client.artifact": ("Artifact",),
    "artifactd.client.client": ("Client",),
    "artifactd.client.handle": ("LogHandle", "Progress"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "run":
        return import_module("artifactd.client._defaults").active_run()
    if name == "config":
        active = import_module("artifactd.client._defaults").active_run()
        return None if active is None else active.config
    if name == "__version__":
        value: Any = import_module("importlib.metadata").version("artifactd")
    elif name == "data_types":
        value = import_module("artifactd.client.data_types")
    elif name in __all__:
        value = getattr(import_module(_HOME_OF.get(name, "artifactd.protocol.errors")), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
