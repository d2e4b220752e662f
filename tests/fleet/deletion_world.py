"""What a run of the model explores: how much of everything there is, and which step is left out."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from fleet.deletion_model import NEVER, Collector, Daemon, Shared, State

__all__ = ["Omission", "World"]


class Omission(Enum):
    """A step of the protocol that is left out, or taken wrongly. The value is its heading in the documentation."""

    # What daemons do
    NO_GENERATION_AT_COMMIT = "a commit does not compare the generation"
    NO_GENERATION_AT_REGISTRATION = "a registration does not compare the generation"
    NO_GENERATION_AT_PART = "registering a part of a draft does not compare the generation"
    RESTART_KEEPS_GENERATION = "a daemon that starts keeps its generation"
    STARTED_IN_TWO_STEPS = "a daemon that starts reads the epoch in one transaction, and publishes it in another"
    REOPENED_GOES_ON = "a fenced daemon opens anew, and goes on with its submissions"
    HEARTBEAT_SAYS_CURRENT = "a heartbeat publishes the epoch that the daemon has yet to hear"
    BEGIN_AT_CURRENT = "a submission begins with the catalog's epoch, not with the one heard"
    FORGOTTEN_IN_FLIGHT = "a submission counts as over while a transaction of its own is on its way"
    FOLLOWER_DOES_NOT_LOOK = "a submission that waited for another's upload relies on it without a look"
    CONDEMNED_COUNTS_AS_LIVE = "a dedup hit does not clear the condemnation"
    DELETING_COUNTS_AS_THERE = "a blob that is being deleted counts as there"
    SAME_KEY_AGAIN = "a blob that is being deleted is uploaded under its old key"
    DELETING_KEEPS_KEY = "registering a blob that is being deleted keeps the old key"
    RESUMED_KEY = "an upload is resumed after a restart under the key that it had"
    # What the collector does
    NO_OLDEST_CHECK = "the horizon is the current epoch, whatever daemons have published"
    HORIZON_INCLUSIVE = "a row that was condemned in the horizon's own epoch is taken"
    NO_INCREMENT = "the epoch is not incremented after condemning"
    STAMP_FROM_BEFORE = "rows are condemned after the increment, with the epoch from before"
    STAMP_READ_APART = "rows are condemned with an epoch that was read in an earlier transaction"
    NO_SECOND_MARK = "nothing is marked again"
    MARK_BEFORE_HORIZON = "the second mark comes before the horizon is read"
    TAKEN_WITHOUT_A_LOOK = "a row that was condemned is taken, whether or not it still is"
    DELETING_LEFT_BEHIND = "a row that an earlier sweep has left deleting is not taken up again"
    REMOVED_WITHOUT_A_LOOK = "the row is removed, whatever it says by now"
    DRAFTS_NOT_MARKED = "drafts are not marked"
    DRAFTS_MARKED_LAST = "drafts are marked after versions"
    ORPHANS_OF_ANY_AGE = "an object without a row is an orphan, whatever its epoch"
    ROWS_BEFORE_HORIZON = "the rows that name objects are read before the horizon"
    # What users do
    LINK_IN_TWO_STEPS = "a link looks for its source in one transaction, and is written in another"
    LINKS_MARKED_FIRST = "links are marked before the versions that they are made from"


class World(NamedTuple):
    """How much there is of everything."""

    daemons: int = 1
    submissions: int = 1
    """That a daemon has at the same time."""
    collectors: int = 1
    objects: int = 2
    """That the bucket holds at the same time."""
    epochs: int = 2
    """No sweep begins once the epoch has been incremented so often."""
    faults: int = 1
    """How many crashes, fences and submissions that are given up there may be."""
    drafts: bool = False
    """Submissions are parts of a draft; versions come of finishing it."""
    links: bool = False
    slow_answers: bool = False
    """Heartbeats and registrations have their effect in one step, and are answered in another."""
    compares_begin: bool = False
    """Transactions are refused, too, if the daemon's row is past the epoch in which their submission began."""
    omitted: Omission | None = None

    def omits(self, omission: Omission) -> bool:
        return self.omitted is omission

    def start(self) -> State:
        """Nothing has happened. The first daemon runs; others may join whenever they like."""
        absent = Daemon(up=False, fenced=True, oldest=NEVER, heard=NEVER)
        daemons = (Daemon(), *[absent] * (self.daemons - 1))
        return Shared(faults=self.faults), daemons, (Collector(),) * self.collectors
