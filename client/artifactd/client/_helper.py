"""A process that helps one download: with small files, threads would only wait for the interpreter's lock.

It reads `(root, read_only, cache)` and then batches of entries from its standard input, pickled, and answers each
batch with what `carry` returns, or with the error that it raises. It ends with its input.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

from artifactd.client._carry import carry
from artifactd.client._node_cache import NodeCache
from artifactd.client._target import Target
from artifactd.protocol.errors import ArtifactdError
from artifactd.protocol.manifest import Entry

__all__ = ["Helper", "HelperLost", "main", "possible"]

# Without `site`, which may be slow; this process has set the path up already.
_OPTIONS = ("-S", "-E", "-s")
_PROGRAM = "import sys; sys.path[:] = {path!r}; from artifactd.client._helper import main; main()"


class HelperLost(Exception):
    """The process could not be started, or has died."""


def possible() -> bool:
    """Whether `sys.executable` is a Python, and not a program with one inside."""
    return os.path.basename(sys.executable or "").startswith(("python", "pypy"))


class Helper:
    """A running process. Close it."""

    def __init__(self, root: str, *, read_only: bool, cache: str) -> None:
        """Raises `HelperLost`."""
        try:
            # In a group of its own, Ctrl-C at a terminal does not reach it.
            self._process = subprocess.Popen(
                [sys.executable, *_OPTIONS, "-c", _PROGRAM.format(path=sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise HelperLost(str(error)) from error
        try:
            self._send((os.path.abspath(root), read_only, cache))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._process.communicate()

    def carry(self, batch: Sequence[Entry]) -> list[Entry]:
        """See `carry`. Raises `HelperLost`, after which some of it may have been carried."""
        self._send(list(batch))
        assert self._process.stdout is not None
        try:
            answer: list[Entry] | Exception = pickle.load(self._process.stdout)  # noqa: S301 our own child's
        except EOFError as error:
            raise HelperLost("it has died") from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise HelperLost("it has died") from error


def main() -> NoReturn:
    """Be the process."""
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    root, read_only, cached = pickle.load(orders)  # noqa: S301 our own parent's
    cache = NodeCache(cached)
    with Target(root, read_only=read_only) as target:
        while True:
            try:
                batch = pickle.load(orders)  # noqa: S301 our own parent's
            except EOFError:
                os._exit(0)  # The parent waits: nothing is left that an interpreter would have to tidy up.
            try:
                answer: list[Entry] | Exception = carry(batch, cache, target, lambda: None)
            except (ArtifactdError, OSError) as error:
                answer = error
            pickle.dump(answer, answers)
            answers.flush()
