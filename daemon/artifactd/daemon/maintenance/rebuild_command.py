"""`artifactd rebuild-catalog`: rebuild, and say what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import trio

from artifactd.daemon.catalog.rebuilding import Rebuilding
from artifactd.daemon.console import plain, show
from artifactd.daemon.maintenance.opening import open_to_look
from artifactd.daemon.maintenance.rebuild import rebuild
from artifactd.daemon.maintenance.rebuild_report import MAX_PROBLEMS, Report
from artifactd.daemon.settings import Settings

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
        yield plain(problem)
    if report.damaged > MAX_PROBLEMS:
        yield f"… and {report.damaged - MAX_PROBLEMS} more"


async def _rebuild(settings: Settings) -> Report:
    async with open_to_look(settings) as store:
        with closing(await trio.to_thread.run_sync(Rebuilding.open, settings.catalog_url)) as catalog:
            report = Report(store=store.url, catalog=catalog.url)
            await rebuild(store, catalog, report, show)
    show("")
    return report
