"""Garbage collection: delete versions whose time is over, then sweep each entity, twice where that can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import trio

from artifactd.daemon.catalog.collector import Collector
from artifactd.daemon.catalog.retention import Expired
from artifactd.daemon.groups import first
from artifactd.daemon.maintenance.marking import ManifestUnreadable, mark
from artifactd.daemon.maintenance.marks import open_marks
from artifactd.daemon.maintenance.patience import catalog_call
from artifactd.daemon.maintenance.sweeping import Sweep, Swept
from artifactd.daemon.stores.base import Store

__all__ = ["Collected", "collect"]

SILENT_SECONDS = 7 * 86400.0
"""A member that was not heard for so long is fenced."""

_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Collected:
    """What a collection did, or in a dry run would do. `swept` is of the last sweep, but for what was deleted."""

    dry: bool
    complete: bool = False
    expired: list[Expired] = field(default_factory=list)
    swept: Swept = field(default_factory=Swept)
    fenced: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Entities of which nothing was deleted, and why."""
    members: list[tuple[str, int, float]] = field(default_factory=list)
    """Who was waited for in vain: the daemon, its oldest check, seconds since it was heard."""
    step: str = ""


async def collect(collector: Collector, store: Store, collected: Collected, wait: float) -> None:
    """Collect garbage beside daemons at work; `collected` tells how far it came.

    What is condemned now is deleted once no daemon relies on what it saw before, which is waited for `wait`
    seconds; else the next collection deletes it. Raises `StoreError` and `CatalogUnavailable`; it may be
    interrupted anywhere.
    """
    await _end_expired(collector, collected)
    if not collected.dry:
        collected.fenced = await catalog_call(partial(collector.fence_silent, SILENT_SECONDS))
    epoch = await _sweep_all(collector, store, collected)
    if not collected.dry and collected.swept.condemned.count:
        if await _nobody_looks_back(collector, collected, epoch, wait):
            await _sweep_all(collector, store, collected)
        else:
            members = await catalog_call(collector.members)
            collected.members = [member for member in members if member[1] < epoch]
    collected.complete = True


async def _end_expired(collector: Collector, collected: Collected) -> None:
    collected.step = "looking for versions whose time is over"
    for version in await catalog_call(collector.expired):
        if collected.dry or await catalog_call(partial(collector.delete_expired, version)):
            collected.expired.append(version)


async def _sweep_all(collector: Collector, store: Store, collected: Collected) -> int:
    """Sweep every entity; returns the epoch that begins then."""
    before, swept = collected.swept, Swept()
    swept.deleted, swept.orphans = before.deleted, before.orphans
    collected.swept = swept
    gone = {(version.collection_id, version.number) for version in collected.expired}
    for entity in await catalog_call(collector.entities):
        try:
            await _sweep(collector, store, entity, gone, collected)
        except* ManifestUnreadable as group:
            collected.skipped[entity] = str(first(group))
    return 0 if collected.dry else await catalog_call(collector.advance)


async def _sweep(
    collector: Collector, store: Store, entity: str, gone: set[tuple[int, int]], collected: Collected
) -> None:
    horizon = await catalog_call(collector.horizon)
    with open_marks() as marks:
        collected.step = f"{entity}: reading what versions refer to"
        await mark(collector, store, entity, marks, gone)
        collected.step = f"{entity}: looking for blobs that nothing refers to"
        sweep = Sweep(
            collector, store, entity, marks=marks, horizon=horizon, dry=collected.dry, swept=collected.swept
        )
        await sweep.run()


async def _nobody_looks_back(collector: Collector, collected: Collected, epoch: int, wait: float) -> bool:
    collected.step = "waiting for daemons that may rely on what they saw before"
    deadline = trio.current_time() + wait
    while await catalog_call(collector.horizon) < epoch:
        if trio.current_time() >= deadline:
            return False
        await trio.sleep(_POLL_SECONDS)
    return True
