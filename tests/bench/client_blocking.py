"""How long the training thread is blocked: artifactd against wandb in offline mode, and a plain write."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench.daemons import running
from bench.data import file_of, files_in
from bench.report import Row, at_most, milliseconds, seconds
from bench.workplace import Contestant, Workplace, worker

__all__ = ["many_calls", "many_files", "new_file", "one_file"]

GIB = 1 << 30
EXTRA_MS = 10


def one_file(place: Workplace) -> Iterator[Row]:
    """One file of 1 GiB, by each policy."""
    file = place.root / "data" / "model.bin"
    figures = place.compare(_both("file", file), lambda _: file_of(file, GIB))
    default, in_place = figures["mutable.blocked"], figures["immutable.blocked"]
    theirs, theirs_in_place = figures["wandb mutable.blocked"], figures["wandb immutable.blocked"]
    yield at_most("blocked: 1 GiB file, default policy", default, theirs, 0.3, "wandb")
    yield at_most("blocked: 1 GiB file, immutable", in_place, theirs, 0.02, "wandb's default")
    yield at_most("blocked: 1 GiB file, immutable", in_place, theirs_in_place, 0.2, "wandb's immutable")


def many_files(place: Workplace) -> Iterator[Row]:
    """A directory of 10,000 files of 4 KiB."""
    directory = place.root / "data" / "files"
    contestants = _both("dir", directory)
    del contestants["wandb immutable"]
    figures = place.compare(contestants, lambda _: files_in(directory, 10_000, 4 << 10))
    theirs = figures["wandb mutable.blocked"]
    what = "blocked: 10,000 files of 4 KiB"
    yield at_most(f"{what}, default policy", figures["mutable.blocked"], theirs, 0.4, "wandb's default")
    yield at_most(f"{what}, immutable", figures["immutable.blocked"], theirs, 0.15, "wandb's default")


def many_calls(place: Workplace) -> Iterator[Row]:
    """A hundred artifacts of 1 KiB."""
    directory = place.root / "data" / "files"
    contestants = {name: run for name, run in _both("each", directory).items() if "immutable" not in name}
    figures = place.compare(contestants, lambda _: files_in(directory, 100, 1 << 10))
    ours, theirs = figures["mutable.calls"], figures["wandb mutable.calls"]
    yield at_most("blocked: 100 calls of log_artifact, 1 KiB each", ours, theirs, 1, "wandb, in memory")
    ours, theirs = figures["mutable.blocked"], figures["wandb mutable.blocked"]
    yield at_most("the same, with Artifact and add_file", ours, theirs, 1, "wandb, in memory")


def new_file(place: Workplace) -> Iterator[Row]:
    """1 GiB written into `new_file` and logged, against the same writes to a file."""
    contestants: dict[str, Contestant] = {
        "ours": partial(_artifactd, "new", Path(str(GIB)), "mutable"),
        "plain": lambda own: worker("write_plainly", own / "plain.bin", GIB, environ={}),
    }
    figures = place.compare(contestants)
    ours, plain = figures["ours.blocked"], figures["plain.blocked"]
    extra = [own - other for own, other in zip(ours, plain, strict=True)]
    yield Row(
        "blocked: 1 GiB written to new_file",
        seconds(ours),
        f"{seconds(plain)} plain write",
        f"+ {milliseconds(extra)}",
        f"≤ + {EXTRA_MS} ms",
        1000 * median(extra) <= EXTRA_MS,
    )


def _both(what: str, path: Path) -> dict[str, Contestant]:
    policies = ("mutable", "immutable")
    ours: dict[str, Contestant] = {policy: partial(_artifactd, what, path, policy) for policy in policies}
    return ours | {f"wandb {policy}": partial(_wandb, what, path, policy) for policy in policies}


def _artifactd(what: str, path: Path, policy: str, own: Path) -> dict[str, float]:
    with running(own) as daemon:
        return worker("log_artifactd", what, path, policy, environ=daemon.environ)


def _wandb(what: str, path: Path, policy: str, own: Path) -> dict[str, float]:
    places = {f"WANDB_{name}_DIR": str(own / name.lower()) for name in ("CACHE", "DATA", "CONFIG")}
    quiet = {"WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "WANDB_X_DISABLE_STATS": "true"}
    return worker("log_wandb", what, path, policy, environ={"WANDB_DIR": str(own), **places, **quiet})
