"""`artifactd rebuild-catalog`: rebuild, and say what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NoReturn

import trio

from artifactd.daemon.catalog.rebuilding import Rebuilding
from artifactd.daemon.maintenance.rebuild import rebuild
from artifactd.daemon.maintenance.rebuild_report import MAX_PROBLEMS, Report
from artifactd.daemon.settings import Settings
from artifactd.daemon.stores.base import SentPart, StoreUnusable, UnfinishedUpload
from artifactd.daemon.stores.factory import open_store, store_options

__all__ = ["as_lines", "run"]

_DAMAGED = 1


def run(settings: Settings, *, as_object: bool) -> int:
    """Rebuild the configured catalog from the configured store; 0 if all is well, 1 if something was damaged.

    Raises `CatalogNotEmpty`, `CatalogUnusable`, `StoreUnusable`, `CatalogUnavailable` and `StoreError`, alone or
    in groups.
    """
    report = trio.run(_rebuild, settings)
    if as_object:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(as_lines(report)))
    return _DAMAGED if report.damaged else 0


def as_lines(report: Report) -> Iterator[str]:
    """Counts, one a line with a tab after its name, then what was damaged."""
    for name in ("blobs", "records", "collections", "versions", "runs", "damaged"):
        yield f"{name}\t{getattr(report, name)}"
    for problem in report.problems:
        yield "".join(character if character.isprintable() else " " for character in problem)
    if report.damaged > MAX_PROBLEMS:
        yield f"… and {report.damaged - MAX_PROBLEMS} more"


async def _rebuild(settings: Settings) -> Report:
    if settings.store_url == "memory:":
        raise StoreUnusable("the store memory: is inside its daemon, and ends with it: it has nothing to read")
    s3, gcs = store_options(settings.store)
    async with open_store(settings.store_url, s3=s3, gcs=gcs, journal=_NoUploads()) as store:
        with closing(await trio.to_thread.run_sync(Rebuilding.open, settings.catalog_url)) as catalog:
            report = Report(store=store.url, catalog=catalog.url)
            await rebuild(store, catalog, report, _show)
    _show("")
    return report


def _show(step: str) -> None:
    """Say what is being done, on one line that is written over, to whoever watches standard error."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{step + ' …' if step else ''}")
        sys.stderr.flush()


class _NoUploads:
    """The `UploadJournal` of a process that uploads nothing."""

    async def creating(self, key: str) -> None:
        _refuse()

    async def created(self, key: str, upload_id: str, part_size: int) -> None:
        _refuse()

    def sent(self, key: str, upload_id: str, parts: Sequence[SentPart]) -> None:
        _refuse()

    async def ended(self, key: str) -> None:
        _refuse()

    async def unfinished(self) -> list[UnfinishedUpload]:
        _refuse()

    async def parts(self, key: str) -> list[SentPart]:
        _refuse()


def _refuse() -> NoReturn:
    raise AssertionError("a rebuild uploads nothing")
