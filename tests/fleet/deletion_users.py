"""What users do to all that refers to the blob, and what a slow network does to the bucket."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.deletion_model import NEVER, Shared
from fleet.deletion_world import Omission, World

__all__ = ["other_moves"]


def other_moves(shared: Shared, world: World) -> Iterator[tuple[str, Shared]]:
    """The steps of those whom the protocol does not count."""
    if shared.versions:
        yield "the version is deleted", shared._replace(versions=False)
    if shared.drafts:
        yield "the draft is finished: it is a version now", shared._replace(drafts=False, versions=True)
        yield "the draft expires", shared._replace(drafts=False)
    if shared.links:
        yield "the link is deleted", shared._replace(links=False)
    if shared.linking:
        yield "the link is written", shared._replace(links=True, linking=False)
    elif shared.versions and world.omits(Omission.LINK_IN_TWO_STEPS):
        yield "a link looks for the version, and finds it", shared._replace(linking=True)
    elif shared.versions and world.links:
        yield "a link to the version is made", shared._replace(links=True)
    key = shared.late_put
    if key != NEVER and (key in shared.objects or len(shared.objects) < world.objects):
        objects = tuple(sorted({*shared.objects, key}))
        yield f"the late PUT of .{key} lands", shared._replace(objects=objects, late_put=NEVER)
