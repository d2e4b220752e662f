"""The steps of a collector. It may be ended at any moment, and its next sweep begins anew."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.deletion_model import NEVER, Blob, Collector, Phase, Row, Shared
from fleet.deletion_world import Omission, World

__all__ = ["collector_moves"]

_Effect = tuple[str, Shared, Collector]

_IDLE = Collector()


def collector_moves(
    shared: Shared, published: int | None, collector: Collector, world: World
) -> Iterator[_Effect]:
    """All that the collector may do next. `published` is the least that daemons have, None where there is none."""
    horizon = shared.epoch if published is None or world.omits(Omission.NO_OLDEST_CHECK) else published
    match collector.phase:
        case Phase.IDLE:
            if shared.epoch < world.epochs:
                yield _marks(shared, world)
        case Phase.UNMARKED:
            yield from _condemns(shared, world)
        case Phase.STAMPED:
            yield from _condemns_stamped(shared, collector, world)
        case Phase.CONDEMNED:
            yield _increments(shared, world)
        case Phase.INCREMENTED:
            yield from _reads_horizon(shared, horizon, collector, world)
        case Phase.HORIZON:
            yield from _takes(shared, collector, world)
        case Phase.TAKEN:
            after = _without(shared, collector.key)
            yield f"deletes the object .{collector.key}", after, collector._replace(phase=Phase.DELETED)
        case Phase.DELETED:
            yield _removes(shared, collector, world)
        case Phase.ROWS:
            yield from _deletes_orphans(shared, horizon, collector, world)
    if collector.phase is not Phase.IDLE:
        yield "ends its sweep", shared, _IDLE


# Condemning


def _marks(shared: Shared, world: World) -> _Effect:
    # In which order does not matter: what this mark misses, the second one finds.
    if any(getattr(shared, place) for place in _places(world)):
        return "marks: something refers to the blob", shared, Collector(Phase.CONDEMNED)
    return "marks: nothing refers to the blob", shared, Collector(Phase.UNMARKED)


def _condemns(shared: Shared, world: World) -> Iterator[_Effect]:
    if world.omits(Omission.STAMP_FROM_BEFORE):
        after = shared._replace(epoch=shared.epoch + 1)
        yield f"increments the epoch to {after.epoch}", after, Collector(Phase.STAMPED, key=shared.epoch)
    elif world.omits(Omission.STAMP_READ_APART):
        yield f"reads epoch {shared.epoch}", shared, Collector(Phase.STAMPED, key=shared.epoch)
    elif shared.row is not None and shared.row.blob is Blob.LIVE:
        yield _condemned(shared, shared.row, shared.epoch, Phase.CONDEMNED)
    else:
        yield _increments(shared, world)


def _condemns_stamped(shared: Shared, collector: Collector, world: World) -> Iterator[_Effect]:
    then = Phase.INCREMENTED if world.omits(Omission.STAMP_FROM_BEFORE) else Phase.CONDEMNED
    if shared.row is not None and shared.row.blob is Blob.LIVE:
        yield _condemned(shared, shared.row, collector.key, then)


def _condemned(shared: Shared, row: Row, epoch: int, then: Phase) -> _Effect:
    after = shared._replace(row=Row(Blob.CONDEMNED, row.key, epoch))
    return f"condemns the blob in epoch {epoch}", after, Collector(then)


def _increments(shared: Shared, world: World) -> _Effect:
    if world.omits(Omission.NO_INCREMENT):
        return "leaves the epoch as it is", shared, Collector(Phase.INCREMENTED)
    after = shared._replace(epoch=shared.epoch + 1)
    return f"increments the epoch to {after.epoch}", after, Collector(Phase.INCREMENTED)


# Taking


def _reads_horizon(shared: Shared, horizon: int, collector: Collector, world: World) -> Iterator[_Effect]:
    places = _places(world) if world.omits(Omission.MARK_BEFORE_HORIZON) else []
    if collector.read < len(places):
        yield _reads(shared, collector, places)
        return
    if world.omits(Omission.ROWS_BEFORE_HORIZON):
        yield _reads_rows(shared, collector)
    became = collector._replace(phase=Phase.HORIZON, horizon=horizon)
    if world.omits(Omission.TAKEN_WITHOUT_A_LOOK) and _is_old(shared.row, horizon, world):
        assert shared.row is not None
        became = became._replace(key=shared.row.key)
    yield f"reads the horizon: {horizon}", shared, became


def _takes(shared: Shared, collector: Collector, world: World) -> Iterator[_Effect]:
    if collector.read == 0:
        # A sweep looks for blobs or for orphans here; in the end both have been done.
        yield _reads_rows(shared, collector)
    places = [] if world.omits(Omission.NO_SECOND_MARK) else _places(world)
    row = shared.row
    if collector.read < len(places):
        yield _reads(shared, collector, places)
    elif row is not None and row.blob is Blob.DELETING:
        if world.omits(Omission.DELETING_LEFT_BEHIND):
            return
        yield f"goes on with .{row.key}, which is being deleted", shared, Collector(Phase.TAKEN, key=row.key)
    elif row is not None and not collector.marked and _may_take(row, collector, world):
        after = shared._replace(row=Row(Blob.DELETING, row.key))
        yield f"takes the row: .{row.key} is being deleted", after, Collector(Phase.TAKEN, key=row.key)


def _removes(shared: Shared, collector: Collector, world: World) -> _Effect:
    if shared.row == Row(Blob.DELETING, collector.key) or world.omits(Omission.REMOVED_WITHOUT_A_LOOK):
        return "removes the row", shared._replace(row=None), _IDLE
    return "leaves the row, which says something else by now", shared, _IDLE


def _may_take(row: Row, collector: Collector, world: World) -> bool:
    if world.omits(Omission.TAKEN_WITHOUT_A_LOOK):
        return collector.key == row.key
    return _is_old(row, collector.horizon, world)


def _is_old(row: Row | None, horizon: int, world: World) -> bool:
    """Whether it was condemned before anything began that may still rely on the blob."""
    if row is None or row.blob is not Blob.CONDEMNED:
        return False
    return row.condemned_at < horizon + world.omits(Omission.HORIZON_INCLUSIVE)


# Marking


def _places(world: World) -> list[str]:
    """What is read to mark, one after the other: references move from drafts to versions, and on to links."""
    places = ["versions"]
    if world.links:
        places.insert(0 if world.omits(Omission.LINKS_MARKED_FIRST) else 1, "links")
    if world.drafts and not world.omits(Omission.DRAFTS_NOT_MARKED):
        places.insert(len(places) if world.omits(Omission.DRAFTS_MARKED_LAST) else 0, "drafts")
    return places


def _reads(shared: Shared, collector: Collector, places: list[str]) -> _Effect:
    place = places[collector.read]
    found = getattr(shared, place)
    became = collector._replace(read=collector.read + 1, marked=collector.marked or found)
    return f"reads {place}: {'they refer' if found else 'none refers'} to the blob", shared, became


# Orphans


def _reads_rows(shared: Shared, collector: Collector) -> _Effect:
    key = NEVER if shared.row is None else shared.row.key
    text = "reads the rows: they name no object" if key == NEVER else f"reads the rows: they name .{key}"
    return text, shared, Collector(Phase.ROWS, horizon=collector.horizon, key=key)


def _deletes_orphans(shared: Shared, horizon: int, collector: Collector, world: World) -> Iterator[_Effect]:
    if collector.horizon == NEVER:
        yield f"reads the horizon: {horizon}", shared, collector._replace(horizon=horizon)
        return
    for key in shared.objects:
        is_old = key < collector.horizon or world.omits(Omission.ORPHANS_OF_ANY_AGE)
        if is_old and key != collector.key:
            yield f"deletes the orphan .{key}", _without(shared, key), collector


def _without(shared: Shared, key: int) -> Shared:
    return shared._replace(objects=tuple(other for other in shared.objects if other != key))
