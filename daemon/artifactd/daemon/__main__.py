"""`python -m artifactd.daemon COMMAND`: parse, configure, run. Exit codes are those of sysexits.h."""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import trio

from artifactd.daemon import doctor
from artifactd.daemon.app import serve
from artifactd.daemon.catalog.rebuilding import CatalogNotEmpty
from artifactd.daemon.catalog.records import CatalogUnavailable, CatalogUnusable
from artifactd.daemon.home import CannotStart
from artifactd.daemon.maintenance import rebuild_command
from artifactd.daemon.observe.logs import configure
from artifactd.daemon.queue.journal_schema import JournalTooNew
from artifactd.daemon.settings import BadSetting, Settings, load
from artifactd.daemon.stores.base import StoreError, StoreUnusable

__all__ = ["main"]

EX_FAILED = 1
EX_UNAVAILABLE = 69
EX_CONFIG = 78
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a daemon command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(home=options.home, store=options.store, catalog=options.catalog, config=options.config)
        if options.command == "serve":
            return _serve(settings)
        if options.command == "rebuild-catalog":
            return _rebuild(settings, as_object=options.json)
        return doctor.run(settings, as_object=options.json)
    except BadSetting as error:
        return _fail(error, EX_CONFIG)
    except KeyboardInterrupt:
        return INTERRUPTED


def _serve(settings: Settings) -> int:
    configure()
    os.umask(0o077)
    _allow_many_connections()
    problem: BaseException | None = None
    try:
        trio.run(serve, settings)
    except* (CannotStart, CatalogUnusable, CatalogUnavailable, JournalTooNew, StoreUnusable) as group:
        problem = group
    return 0 if problem is None else _fail(problem, EX_CONFIG)


def _rebuild(settings: Settings, *, as_object: bool) -> int:
    problem: BaseException | None = None
    code = EX_CONFIG
    try:
        return rebuild_command.run(settings, as_object=as_object)
    except* CatalogNotEmpty as group:
        problem, code = group, EX_FAILED
    except* (CatalogUnusable, StoreUnusable) as group:
        problem = group
    except* (CatalogUnavailable, StoreError) as group:
        problem, code = group, EX_UNAVAILABLE
    assert problem is not None
    return _fail(problem, code)


def _allow_many_connections() -> None:
    """Each thread of a client holds a connection; libzmq aborts the process when descriptors run out."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _fail(problem: BaseException, code: int) -> int:
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    print(f"artifactd: error: {problem}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artifactd", description="The artifact daemon.")
    parser.add_argument("--version", action="version", version=f"artifactd {version('artifactd')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser(
        "serve",
        help="run the daemon in the foreground",
        description="Run the daemon in the foreground. It logs one line when it is ready. The first SIGTERM or "
        "SIGINT finishes what is under way, the second stops at once; either way nothing accepted is lost.",
    )
    serving.add_argument("--catalog", metavar="URL", help="sqlite:///file (default: in the home)")
    examining = commands.add_parser(
        "doctor",
        help="examine the store",
        description="Try what the store can do and whether the credentials suffice, with a few objects below "
        "artifactd-probe/ that are removed again. Exits with 0 if artifactd can work with it, else with 1.",
    )
    examining.set_defaults(catalog=None)
    rebuilding = commands.add_parser(
        "rebuild-catalog",
        help="make a catalog again from the bucket alone",
        description="Make a catalog again, in an empty database, from what the daemons left in the bucket. No "
        "daemon may use the bucket meanwhile. Exits with 0 if all is well, with 1 if something in the bucket was "
        "damaged, or the database is not empty, with 69 if store or catalog cannot be reached.",
    )
    rebuilding.add_argument(
        "--catalog", metavar="URL", required=True, help="sqlite:///file or postgresql://host/database; empty"
    )
    for command in (examining, rebuilding):
        command.add_argument("--json", action="store_true", help="print a JSON object")
    for command in (serving, examining, rebuilding):
        command.add_argument(
            "--home", type=Path, help="state directory (default: $ARTIFACTD_HOME, else the user's own)"
        )
        command.add_argument(
            "--store", metavar="URL", help="file:///dir or s3://bucket/prefix (default: in the home)"
        )
        command.add_argument("--config", type=Path, metavar="FILE", help="artifactd.toml to read")
    return parser


if __name__ == "__main__":
    sys.exit(main())
