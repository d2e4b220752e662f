"""`artifactd gc`: delete what retention is over for and what nothing refers to, or say what that would be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import trio

from artifactd.daemon.catalog_url import shown_catalog_url
from artifactd.daemon.console import plain, show
from artifactd.daemon.maintenance.collecting import Collected, collect
from artifactd.daemon.maintenance.opening import open_to_collect
from artifactd.daemon.maintenance.printing import in_bytes
from artifactd.daemon.maintenance.running import run_and_tell
from artifactd.daemon.maintenance.sweeping import Count
from artifactd.daemon.settings import Settings

__all__ = ["run"]

_FAILED = 1
_INTERRUPTED = 130


def run(settings: Settings, *, delete: bool, wait: float, as_object: bool) -> int:
    """Collect, or only look, print what was done, and return 0; 1 where a manifest is damaged, 130 if interrupted.

    Raises, within groups, `CatalogUnusable`, `StoreUnusable`, `CatalogUnavailable` and `StoreError`, after what
    was done until then was printed.
    """
    collected = Collected(dry=not delete)

    async def work() -> None:
        async with open_to_collect(settings) as (collector, store):
            try:
                await collect(collector, store, collected, wait)
            finally:
                _print(settings, collected, as_object=as_object)

    trio.run(run_and_tell, work, lambda: collected.step)
    if not collected.complete:
        return _INTERRUPTED
    return _FAILED if collected.skipped else 0


def _print(settings: Settings, collected: Collected, *, as_object: bool) -> None:
    show("")
    if as_object:
        print(json.dumps(_as_json(settings, collected), indent=2, ensure_ascii=False))
        return
    for line in _as_lines(collected):
        print(plain(line))


def _as_json(settings: Settings, collected: Collected) -> dict[str, Any]:
    """The object that `docs/gc.md` describes."""
    return {
        "catalog": shown_catalog_url(settings.catalog_url),
        "store": settings.store_url,
        "dry_run": collected.dry,
        "complete": collected.complete,
        "expired": [
            {"version": version.address, "size": version.size, "reason": version.reason}
            for version in collected.expired
        ],
        **asdict(collected.swept),
        "held_by": [
            {"daemon": daemon, "oldest_check": oldest, "silent_seconds": silent}
            for daemon, oldest, silent in collected.members
        ],
        "fenced": collected.fenced,
        "skipped": collected.skipped,
    }


def _as_lines(collected: Collected) -> Iterator[str]:
    swept = collected.swept
    would = "would be " if collected.dry else ""
    for version in collected.expired:
        yield f"{would}deleted: {version.address} ({version.reason})"
    yield f"needed: {_count(swept.needed)}"
    yield f"{would}deleted: {_count(swept.deleted)}, and {_count(swept.orphans)} that no row named"
    yield f"{would}condemned: {_count(swept.condemned)} that nothing refers to"
    for daemon in collected.fenced:
        yield f"fenced: {daemon}, which was silent for a week"
    for daemon, _, silent in collected.members:
        yield f"waited in vain for: {daemon}, heard {silent:.0f} s ago; the next gc deletes what it may rely on"
    for entity, reason in collected.skipped.items():
        yield f"skipped: nothing of {entity} was deleted: {reason}; run artifactd verify"
    if collected.dry:
        yield "nothing was changed: run artifactd gc --delete"


def _count(count: Count) -> str:
    return f"{count.count:,} blobs of {in_bytes(count.bytes)}"
