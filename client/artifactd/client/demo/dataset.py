"""The dataset: Python's own standard library, thousands of files, logged twice."""

from __future__ import annotations

import sysconfig
import time
from multiprocessing.connection import Connection
from pathlib import Path

from artifactd.client import Artifact, init
from artifactd.client.demo.contents import digest_of, files_below
from artifactd.client.demo.crew import Logged

__all__ = ["LIBRARY", "log_library"]

LIBRARY = "python-library"

_WITHOUT = frozenset({"site-packages", "dist-packages", "__pycache__"})
"""Other people's packages, and what any Python that runs meanwhile may write to."""


def log_library(connection: Connection) -> None:
    """Log the library each time a word comes through `connection`, twice; report there once it is accepted."""
    root = Path(sysconfig.get_path("stdlib"))
    files = {path.relative_to(root).as_posix(): path for path in files_below(root, without=_WITHOUT)}
    digests = {name: digest_of(path) for name, path in files.items()}
    with init(project="digits", job_type="collect", name=LIBRARY) as run:
        for _ in range(2):
            connection.recv()
            artifact = Artifact(LIBRARY, "dataset", metadata={"python": sysconfig.get_python_version()})
            start = time.perf_counter()
            for name, path in files.items():
                artifact.add_file(path, name)
            handle = run.log_artifact(artifact)
            seconds = time.perf_counter() - start
            connection.send(Logged(LIBRARY, handle.id, artifact.metadata, digests, artifact.size, seconds))
            handle.wait()
