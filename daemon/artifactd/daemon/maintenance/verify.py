"""`artifactd verify`: check the catalog against the store, change nothing, and say what is wrong."""

from __future__ import annotations

import json
import sys

import trio

from artifactd.daemon.catalog.reader import CatalogReader
from artifactd.daemon.catalog_url import shown_catalog_url
from artifactd.daemon.console import show
from artifactd.daemon.maintenance.blob_check import BlobCheck
from artifactd.daemon.maintenance.manifest_check import ManifestCheck
from artifactd.daemon.maintenance.opening import open_to_read
from artifactd.daemon.maintenance.printing import as_json, as_lines, as_text, progress
from artifactd.daemon.maintenance.report import Report
from artifactd.daemon.maintenance.running import run_and_tell
from artifactd.daemon.settings import Settings
from artifactd.daemon.stores.base import Store

__all__ = ["run", "verify"]

_FAILED = 1
_INTERRUPTED = 130


async def verify(catalog: CatalogReader, store: Store, report: Report) -> None:
    """Check all blobs and then all live versions, adding to `report` what is found.

    Both may be worked with meanwhile. Raises `CatalogUnavailable` and `StoreError` when one cannot be reached for
    longer than a while; then, and when cancelled, the report has what was found until then.
    """
    await BlobCheck(catalog, store, report).run()
    await ManifestCheck(catalog, store, report).run()
    report.complete = True


def run(settings: Settings, *, read_data: bool, as_object: bool) -> int:
    """Verify, print the report, and return 0 if all is well, 1 with findings, 130 when interrupted.

    Raises, within groups, what `open_to_read` does, and what `verify` does, with the report printed until there.
    """
    report = Report(shown_catalog_url(settings.catalog_url), settings.store_url, read_data)

    async def work() -> None:
        async with open_to_read(settings) as (catalog, store):
            try:
                await verify(catalog, store, report)
            finally:
                _print(report, as_object=as_object)

    trio.run(run_and_tell, work, lambda: progress(report))
    if not report.complete:
        return _INTERRUPTED
    return _FAILED if report.findings.total else 0


def _print(report: Report, *, as_object: bool) -> None:
    show("")
    if as_object:
        print(json.dumps(as_json(report), indent=2, ensure_ascii=False))
        return
    for line in as_text(report) if sys.stdout.isatty() else as_lines(report):
        print(line)
