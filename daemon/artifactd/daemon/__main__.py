"""`python -m artifactd.daemon COMMAND`: parse, configure, run. Exit codes are those of sysexits.h."""

from __future__ import annotations

import argparse
import os
import re
import resource
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import trio

from artifactd.daemon import doctor
from artifactd.daemon.app import serve
from artifactd.daemon.catalog.rebuilding import CatalogNotEmpty
from artifactd.daemon.catalog.records import CatalogUnavailable, CatalogUnusable
from artifactd.daemon.catalog.retention import Policy
from artifactd.daemon.groups import first
from artifactd.daemon.home import CannotStart
from artifactd.daemon.maintenance import explaining, gc, rebuild_command, retention, verify
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
        return _serve(settings) if options.command == "serve" else _examine(options, settings)
    except BadSetting as error:
        return _fail(error, EX_CONFIG)
    except KeyboardInterrupt:
        return INTERRUPTED


def _examine(options: argparse.Namespace, settings: Settings) -> int:
    """Run a command that prints what it finds, as far as anybody reads it."""
    try:
        code = _command(options, settings)()
        sys.stdout.flush()
        return code
    except* BrokenPipeError:
        # The reader has seen enough; flushing the rest at exit shall not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
    return EX_FAILED


def _command(options: argparse.Namespace, settings: Settings) -> Callable[[], int]:
    match options.command:
        case "verify":
            run = partial(verify.run, settings, read_data=options.read_data, as_object=options.json)
        case "gc" if options.explain is not None:
            run = partial(explaining.run, settings, options.explain)
        case "gc":
            run = partial(gc.run, settings, delete=options.delete, wait=options.wait, as_object=options.json)
        case "retention":
            run = partial(retention.run, settings, options.collection, _policy(options))
        case "rebuild-catalog":
            run = partial(rebuild_command.run, settings, as_object=options.json)
        case _:
            return partial(doctor.run, settings, as_object=options.json)
    return partial(_maintain, run)


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


def _policy(options: argparse.Namespace) -> Policy | None:
    """What is asked for, None to leave it as it is."""
    if options.forever:
        return Policy()
    if options.ttl is None and options.keep_last is None:
        return None
    return Policy(options.ttl, options.keep_last, options.keep_aliased)


def _maintain(command: Callable[[], int]) -> int:
    problem: BaseException | None = None
    code = EX_CONFIG
    try:
        return command()
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
    print(f"artifactd: error: {first(problem)}", file=sys.stderr)
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
    verifying = commands.add_parser(
        "verify",
        help="check the catalog against the store",
        description="Check that the store has every blob and every manifest of the catalog. Changes nothing, and "
        "daemons may work meanwhile. Exits with 0 if all is well, with 1 if something is wrong, with 69 if store "
        "or catalog cannot be reached.",
    )
    verifying.add_argument(
        "--read-data", action="store_true", help="read every blob, and compare its bytes with its digest"
    )
    collecting = commands.add_parser(
        "gc",
        help="delete versions whose time is over, and blobs that nothing refers to",
        description="Say what retention is over for and what nothing refers to; with --delete, delete it. "
        "Daemons may upload and commit meanwhile: what they may be relying on stays until the next time. Exits "
        "with 1 if a manifest is damaged (nothing of its entity is deleted then), with 69 if store or catalog "
        "cannot be reached.",
    )
    collecting.add_argument("--delete", action="store_true", help="delete; without it nothing is changed")
    collecting.add_argument(
        "--wait",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for daemons that may rely on what is to be deleted (default: 60)",
    )
    collecting.add_argument(
        "--explain", metavar="KEY", help="say why this object of the store is kept, and do nothing"
    )
    retaining = commands.add_parser(
        "retention",
        help="say how long the versions of a collection stay",
        description="Give a collection a policy, which artifactd gc carries out, or show what was given. A "
        "version with a ttl of its own goes after that.",
    )
    retaining.add_argument("collection", nargs="?", type=_collection, metavar="ENTITY/PROJECT/NAME")
    retaining.add_argument("--ttl", type=_duration, metavar="TIME", help="delete what is older: 36h, 30d, 8w")
    retaining.add_argument(
        "--keep-last", type=_count, metavar="N", help="but for the newest N; without --ttl all others go"
    )
    retaining.add_argument(
        "--keep-aliased",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="but for versions with an alias, latest too (default)",
    )
    retaining.add_argument("--forever", action="store_true", help="keep all again")
    for command in (serving, verifying, collecting, retaining):
        command.add_argument(
            "--catalog",
            metavar="URL",
            help="sqlite:///file, or postgresql://host/database for several nodes (default: in the home)",
        )
    for command in (examining, verifying, collecting, rebuilding):
        command.add_argument("--json", action="store_true", help="print a JSON object")
    for command in (serving, examining, verifying, collecting, retaining, rebuilding):
        command.add_argument(
            "--home", type=Path, help="state directory (default: $ARTIFACTD_HOME, else the user's own)"
        )
        command.add_argument(
            "--store", metavar="URL", help="file:///dir or s3://bucket/prefix (default: in the home)"
        )
        command.add_argument("--config", type=Path, metavar="FILE", help="artifactd.toml to read")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text):
        raise ValueError(text)
    return int(text)


def _duration(text: str) -> int:
    try:
        return retention.as_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _collection(text: str) -> str:
    if text.count("/") != 2 or not all(text.split("/")):
        raise argparse.ArgumentTypeError(f"{text!r} is no collection: use ENTITY/PROJECT/NAME")
    return text


if __name__ == "__main__":
    sys.exit(main())
