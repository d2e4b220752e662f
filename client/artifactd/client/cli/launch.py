"""`artifactd serve`, `doctor`, `gc` and others: commands of the extras, run in place of this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NoReturn

__all__ = ["add_commands", "run"]

_COMMANDS = {
    "serve": "run the daemon in the foreground",
    "doctor": "examine the store: what it can do, and whether the credentials suffice",
    "verify": "check the catalog against the store: whether every blob is there, and whole",
    "gc": "delete versions whose time is over, and blobs that nothing refers to",
    "retention": "say how long the versions of a collection stay",
    "rebuild-catalog": "make a catalog again from the bucket alone",
    "demo": "train, log, kill the daemon half-way, and check every promise",
}

_DAEMON_NEEDS = ("trio", "msgspec", "apsw", "sqlalchemy", "alembic", "structlog")
_DEMO_NEEDS = ("trio", "apsw", "sklearn")


def add_commands(commands: Any) -> None:
    for name, text in _COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False).set_defaults(launch=name)


def run(command: str, arguments: Sequence[str], socket: str | None) -> int:
    """Become the command, which reads `arguments` itself. Returns (1) only if what it needs is missing."""
    extra, packages = ("demo", _DEMO_NEEDS) if command == "demo" else ("daemon", _DAEMON_NEEDS)
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        print(
            f"artifactd: error: `artifactd {command}` needs {', '.join(missing)} "
            f"(pip install 'artifactd[{extra}]')",
            file=sys.stderr,
        )
        return 1
    if socket is not None:
        os.environ["ARTIFACTD_SOCKET"] = socket
    program = ("artifactd.client.demo",) if command == "demo" else ("artifactd.daemon", command)
    return _become(program + tuple(arguments))


def _become(arguments: Sequence[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", *arguments])
