"""Where the daemon's home and socket are, by the same rules on both sides.

`ARTIFACTD_HOME` is the daemon's state directory, `ARTIFACTD_SOCKET` the path clients connect to. A client
given only a home finds the socket of that home. With neither, the user's own daemon is meant if its socket
exists, else the system service's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from artifactd.protocol.errors import InvalidRequest

__all__ = ["MAX_SOCKET_PATH", "SOCKET_NAME", "check_socket_path", "default_home", "find_socket", "home_socket"]

SOCKET_NAME = "artifactd.sock"
SYSTEM_HOME = Path("/var/lib/artifactd")
SYSTEM_SOCKET = Path("/run/artifactd") / SOCKET_NAME

MAX_SOCKET_PATH = 107
"""`sun_path` of unix(7) holds 108 bytes with its NUL."""


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The daemon's state directory: `ARTIFACTD_HOME`, else the user's own under XDG_STATE_HOME."""
    if home := environ.get("ARTIFACTD_HOME"):
        return Path(home).absolute()
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "artifactd"


def home_socket(home: Path, environ: Mapping[str, str] = os.environ, *, explicit: bool) -> Path:
    """The socket on which the daemon of `home` listens.

    `explicit` says that the home was named by the user, whose daemon then has a socket of its own in it.
    """
    if path := environ.get("ARTIFACTD_SOCKET"):
        return Path(path).absolute()
    if home == SYSTEM_HOME:
        return SYSTEM_SOCKET
    runtime = environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / SOCKET_NAME if runtime and not explicit else home / SOCKET_NAME


def find_socket(environ: Mapping[str, str] = os.environ) -> Path:
    """The socket a client connects to when none was given."""
    explicit = bool(environ.get("ARTIFACTD_HOME"))
    own = home_socket(default_home(environ), environ, explicit=explicit)
    named = explicit or bool(environ.get("ARTIFACTD_SOCKET"))
    return SYSTEM_SOCKET if not named and not own.exists() and SYSTEM_SOCKET.exists() else own


def check_socket_path(path: Path) -> Path:
    """Refuse a path that does not fit a unix socket address."""
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH:
        raise InvalidRequest(
            f"socket path has {length} bytes, the kernel allows {MAX_SOCKET_PATH}",
            subject=str(path),
            remedy="set ARTIFACTD_SOCKET to a shorter path",
        )
    return path
