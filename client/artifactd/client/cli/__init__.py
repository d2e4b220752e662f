"""The `artifactd` command: the API from a shell, and the way to the daemon's own commands.

Exit codes: 0 done, 1 failed, 2 bad usage, 69 daemon not reachable, 78 bad configuration, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from artifactd.client.cli import launch, log, queue, reading
from artifactd.client.cli.output import complain
from artifactd.client.client import Client
from artifactd.protocol.errors import ArtifactdError, CatalogUnavailable, DaemonUnavailable, InvalidRequest

__all__ = ["main"]

_FAILED = 1
_BAD_USAGE = 2
_UNAVAILABLE = 69
_BAD_CONFIGURATION = 78
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; bad usage exits from within, with 2."""
    parser = _parser()
    options, rest = parser.parse_known_args(argv)
    if options.launch:
        return launch.run(options.launch, rest, options.socket)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        try:
            client = Client(socket=options.socket, project=options.project, entity=options.entity)
        except InvalidRequest as error:
            complain(error)
            return _BAD_CONFIGURATION
        with client:
            return _run(options, client)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has seen enough; flushing the rest at exit shall not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def _run(options: argparse.Namespace, client: Client) -> int:
    try:
        code: int = options.run(client, options) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except (CatalogUnavailable, DaemonUnavailable) as error:
        complain(error)
        return _UNAVAILABLE
    except InvalidRequest as error:
        complain(error)
        return _BAD_USAGE
    except (ArtifactdError, OSError) as error:
        complain(error)
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="artifactd", description="Log artifacts through the node's daemon, and get them back."
    )
    parser.add_argument("--version", action=_Version)
    parser.add_argument("--socket", metavar="PATH", help="the daemon's socket (default: $ARTIFACTD_SOCKET)")
    parser.add_argument(
        "--entity", metavar="E", help="owner of the artifacts (default: $ARTIFACTD_ENTITY, login name)"
    )
    parser.add_argument(
        "--project", metavar="P", help="their project (default: $ARTIFACTD_PROJECT, uncategorized)"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser.set_defaults(launch=None)
    for family in (launch, log, queue, reading):
        family.add_commands(commands)
    return parser


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from artifactd.client import __version__

        print(f"artifactd {__version__}")
        parser.exit()
