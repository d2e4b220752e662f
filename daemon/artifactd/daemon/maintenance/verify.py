"""`artifactd verify`: check the catalog against the store, change nothing, and say what is wrong."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncIterator

import trio

from artifactd.daemon.catalog.reader import CatalogReader
from artifactd.daemon.catalog_url import shown_catalog_url
from artifactd.daemon.console import show
from artifactd.daemon.maintenance.blob_check import BlobCheck
from artifactd.daemon.maintenance.manifest_check import ManifestCheck
from artifactd.daemon.maintenance.opening import open_to_read
from artifactd.daemon.maintenance.printing import as_json, as_lines, as_text, progress
from artifactd.daemon.maintenance.report import Report
from artifactd.daemon.settings import Settings
from artifactd.daemon.stores.base import Store

__all__ = ["run", "verify"]

_FAILED = 1
_INTERRUPTED = 130
_TELL_SECONDS = 0.2


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
    trio.run(_verify, settings, report, as_object)
    if not report.complete:
        return _INTERRUPTED
    return _FAILED if report.findings.total else 0


async def _verify(settings: Settings, report: Report, as_object: bool) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_when_told, signals, nursery.cancel_scope)
            async with open_to_read(settings) as (catalog, store):
                try:
                    await _verify_and_tell(catalog, store, report)
                finally:
                    show("")
                    _print(report, as_object=as_object)
            nursery.cancel_scope.cancel()


async def _verify_and_tell(catalog: CatalogReader, store: Store, report: Report) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell, report)
        await verify(catalog, store, report)
        nursery.cancel_scope.cancel()


async def _stop_when_told(signals: AsyncIterator[int], work: trio.CancelScope) -> None:
    await anext(signals)
    work.cancel()


async def _tell(report: Report) -> None:
    while True:
        show(progress(report))
        await trio.sleep(_TELL_SECONDS)


def _print(report: Report, *, as_object: bool) -> None:
    if as_object:
        print(json.dumps(as_json(report), indent=2, ensure_ascii=False))
        return
    for line in as_text(report) if sys.stdout.isatty() else as_lines(report):
        print(line)
