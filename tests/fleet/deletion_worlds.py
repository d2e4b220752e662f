"""The worlds that the tests explore: those of the complete protocol, and one for each step that is left out."""

from __future__ import annotations

from fleet.deletion_world import Omission, World

__all__ = ["COMPLETE", "world_without"]

COMPLETE = {
    "one daemon, two faults": World(faults=2),
    "one daemon, one fault, three sweeps": World(epochs=3),
    "two daemons, one fault": World(daemons=2),
    "one daemon with drafts and links, one fault": World(drafts=True, links=True),
    "one daemon with two submissions and slow answers, one fault": World(submissions=2, slow_answers=True),
    "one daemon, two collectors": World(collectors=2, faults=0),
}
"""Small enough to be explored on every run of the tests. Two sweeps each, if nothing else is said."""

_NEEDS = {
    Omission.NO_GENERATION_AT_COMMIT: World(),
    Omission.NO_GENERATION_AT_REGISTRATION: World(),
    Omission.NO_GENERATION_AT_PART: World(drafts=True),
    Omission.RESTART_KEEPS_GENERATION: World(),
    Omission.REOPENED_GOES_ON: World(),
    Omission.RESUMED_KEY: World(),
    Omission.FORGOTTEN_IN_FLIGHT: World(),
    Omission.STARTED_IN_TWO_STEPS: World(faults=0, daemons=2),
    Omission.HEARTBEAT_SAYS_CURRENT: World(faults=0, slow_answers=True),
    Omission.FOLLOWER_DOES_NOT_LOOK: World(faults=0, slow_answers=True, submissions=2),
    Omission.STAMP_READ_APART: World(faults=0, collectors=2),
    Omission.DRAFTS_NOT_MARKED: World(faults=0, drafts=True),
    Omission.DRAFTS_MARKED_LAST: World(faults=0, drafts=True),
    Omission.LINK_IN_TWO_STEPS: World(faults=0, links=True),
    Omission.LINKS_MARKED_FIRST: World(faults=0, links=True),
}


def world_without(omission: Omission) -> World:
    """The simplest world in which leaving out the step does harm: without faults, if it needs none."""
    return _NEEDS.get(omission, World(faults=0))._replace(omitted=omission)
