"""Whether sweeps clean up: a protocol that deletes nothing is safe, too."""

from __future__ import annotations

from fleet.deletion_collector import collector_moves
from fleet.deletion_daemons import daemon_moves
from fleet.deletion_model import NEVER, Collector, Daemon, Phase, Shared
from fleet.deletion_world import World

__all__ = ["garbage"]


def garbage(shared: Shared, world: World) -> str | None:
    """What is left, from here on, by a sweep for blobs and one for orphans while a daemon has nothing to do."""
    late = () if shared.late_put == NEVER else (shared.late_put,)
    objects = tuple(sorted({*shared.objects, *late}))
    shared = shared._replace(objects=objects, late_put=NEVER, linking=False, faults=0)
    quiet = world._replace(epochs=shared.epoch + 2, slow_answers=False)
    for orphans in (False, True):
        shared = _swept(shared, quiet, orphans=orphans)
    if not (shared.versions or shared.drafts or shared.links):
        return "sweeps leave the row of a blob that nothing refers to" if shared.row else _orphans(shared, ())
    return _orphans(shared, (shared.row.key,)) if shared.row else None


def _orphans(shared: Shared, wanted: tuple[int, ...]) -> str | None:
    return None if shared.objects == wanted else "sweeps leave objects that no row names"


def _swept(shared: Shared, world: World, *, orphans: bool) -> Shared:
    daemon, collector = Daemon(oldest=shared.epoch, heard=shared.epoch), Collector()
    while True:
        # The first heartbeat after an increment hears the new epoch, the second one publishes it.
        for _ in range(2):
            _, shared, daemon = next(daemon_moves(shared, daemon, world))
        moves = list(collector_moves(shared, daemon.oldest, collector, world))
        if collector.phase is not Phase.IDLE:
            # The last is to end the sweep.
            moves.pop()
        if collector.phase is Phase.HORIZON and collector.read == 0:
            moves = [move for move in moves if (move[2].phase is Phase.ROWS) == orphans]
        if not moves:
            return shared
        _, shared, collector = moves[0]
        if collector.phase is Phase.IDLE:
            return shared
