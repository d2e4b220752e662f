"""The live queue: every unfinished submission in memory, its state, its progress and who waits for it.

All methods are plain functions on the trio thread, so each is one atomic step; waiting happens in their
callers. The queue decides with the sequencer and the scheduler; it does no I/O and knows no journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import trio

from artifactd.daemon.queue.burst import Burst
from artifactd.daemon.queue.scheduler import Scheduler
from artifactd.daemon.queue.sequencer import Sequencer
from artifactd.protocol.messages import DraftPart
from artifactd.protocol.states import State, move

__all__ = ["Queue", "Submission"]


@dataclass(slots=True, eq=False)
class Submission:
    """One unfinished submission. What it carries beyond this stays in the journal until it is needed."""

    position: int
    uid: int
    id: bytes
    entity: str
    project: str
    name: str
    type: str
    files: int
    size: int
    priority: int
    accepted_at: float
    weight: int
    """Bytes of its journal row, most of which are metadata and manifest."""
    durable: bool
    draft: DraftPart | None = None
    """Of a draft that several writers make."""
    state: State = State.ACCEPTED
    files_done: int = 0
    bytes_done: int = 0
    started_at: float | None = None
    """Monotonic time at which a worker took it."""
    began: int | None = None
    """The catalog's epoch when a worker took it."""
    waiting_for: str | None = None
    """Why it does not move, when that is not the order of commits."""
    manifest: str | None = None
    """Digest of the stored manifest, once it is ready; a part that finishes nothing has none."""
    totals: tuple[int, int] | None = None
    """Files and bytes of the manifest, where it has more than the submission brought."""
    scope: trio.CancelScope | None = None
    """The worker that processes it."""
    changed: trio.Event | None = None
    """Set, and replaced, at each change of state or durability; made by the first who waits."""

    @property
    def collection(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}"

    @property
    def part_of(self) -> str | None:
        """The distributed id of the draft that others finish: then it becomes no version."""
        return None if self.draft is None or self.draft.finish else self.draft.distributed_id

    @property
    def line(self) -> str:
        """The line it commits in: that of its collection, but a part waits for nobody and holds nobody back."""
        return self.collection if self.part_of is None else f"part {self.position}"


class Queue:
    """Unfinished submissions by position and by (uid, id)."""

    def __init__(self) -> None:
        self._by_position: dict[int, Submission] = {}
        self._by_id: dict[tuple[int, bytes], Submission] = {}
        self._sequencer = Sequencer()
        self._scheduler = Scheduler()
        self._burst = Burst()
        self._burst_ended = trio.Event()
        self._newest = 0
        self._work = trio.Event()
        self._committable = trio.Event()
        self._commits_idle = trio.Event()
        self._not_durable: dict[int, Submission] = {}
        self._unsynced = trio.Event()
        self._durable_wanted = trio.Event()
        self.counts: Counter[State] = Counter()
        """Unfinished submissions by state."""
        self.bytes = 0
        """Sum of their sizes."""

    def __len__(self) -> int:
        return len(self._by_position)

    def __iter__(self) -> Iterator[Submission]:
        """By position."""
        return iter(self._by_position.values())

    def find(self, uid: int, id: bytes) -> Submission | None:
        return self._by_id.get((uid, id))

    def waits_for(self, submission: Submission) -> str | None:
        """Why it does not move now, for display."""
        if submission.waiting_for:
            return submission.waiting_for
        if submission.state is State.ACCEPTED:
            return "a free worker"
        blocker = self._sequencer.waits_for(submission.position)
        if submission.state is State.READY and blocker is not None:
            return f"the commit of {self._by_position[blocker].id.hex()}"
        return None

    # Accepting

    def accept(self, submission: Submission, after: Submission | None) -> None:
        """Take in what the journal holds. Positions ascend."""
        position = submission.position
        self._sequencer.accepted(position, submission.line, after.position if after else None)
        self._by_position[position] = submission
        self._by_id[submission.uid, submission.id] = submission
        self.counts[submission.state] += 1
        self.bytes += submission.size
        self._scheduler.add(position, submission.priority)
        self._burst.accepted(trio.current_time())
        self._newest = position
        self._work.set()
        if not submission.durable:
            self._not_durable[position] = submission
            self._unsynced.set()

    # Processing

    async def next_to_process(self) -> Submission:
        """Wait for work, and for the end of a burst of submissions, and take it.

        For one task at a time; safe to cancel.
        """
        while True:
            if hold := self._burst.hold(trio.current_time()):
                self._burst_ended = trio.Event()
                with trio.move_on_after(hold):
                    await self._burst_ended.wait()
            elif (position := self._scheduler.next()) is not None:
                return self._by_position[position]
            else:
                self._work = trio.Event()
                await self._work.wait()

    def awaited(self, submission: Submission) -> None:
        """Its client waits for it: if none came after it, a burst is over."""
        if submission.position == self._newest:
            self._burst.ended()
            self._burst_ended.set()

    def advance(self, submission: Submission, state: State) -> None:
        """Move to `state` by the table of states, and tell who waits."""
        previous, submission.state = submission.state, move(submission.state, state)
        self.counts[previous] -= 1
        self.counts[state] += 1
        self.notify(submission)

    def resize(self, submission: Submission, files: int, size: int) -> None:
        """It turned out to hold so many files of so many bytes together: what it refers to has been looked up."""
        self.bytes += size - submission.size
        submission.files, submission.size = files, size

    def ready(self, submission: Submission, manifest: str | None, totals: tuple[int, int] | None = None) -> None:
        """All its blobs and its manifest are stored, or a part is registered."""
        submission.manifest = manifest
        submission.totals = totals
        self.advance(submission, State.READY)
        self._sequencer.ready(submission.position)
        self._committable.set()

    # Ending

    async def next_to_commit(self, limit: int) -> list[Submission]:
        """Wait until submissions may commit, and take them, in commit order: there is no way back for them.

        For one task at a time; safe to cancel.
        """
        while not (positions := self._sequencer.take(limit)):
            self._committable = trio.Event()
            self._commits_idle.set()
            await self._committable.wait()
            self._commits_idle = trio.Event()
        return [self._by_position[position] for position in positions]

    async def wait_commits_idle(self) -> None:
        """Wait until nothing may commit and no commit is under way."""
        while not self._commits_idle.is_set():
            await self._commits_idle.wait()

    def committed(self, submission: Submission) -> None:
        """Its version is recorded, in the catalog and in the journal."""
        self._sequencer.committed(submission.position)
        self._leave(submission, State.COMMITTED)

    def settle(self, submission: Submission) -> None:
        """Its version was recorded before the last crash: it passes through every state at once."""
        self._scheduler.remove(submission.position)
        self.advance(submission, State.HASHING)
        self.advance(submission, State.READY)
        self.committed(submission)

    def holds(self, submission: Submission) -> bool:
        """Whether it has not ended."""
        return submission.position in self._by_position

    def droppable(self, submission: Submission) -> bool:
        """Whether it may still be failed or cancelled: it is here and its commit has not been taken."""
        return submission.position in self._sequencer and not self._sequencer.is_taken(submission.position)

    def drop(self, submission: Submission, state: State) -> list[Submission]:
        """It failed or was cancelled, and the journal says so. Returns those logged `after` it: drop them too."""
        self._scheduler.remove(submission.position)
        dependents = self._sequencer.dropped(submission.position)
        self._leave(submission, state)
        if submission.scope is not None:
            submission.scope.cancel()
        return [self._by_position[position] for position in dependents]

    def _leave(self, submission: Submission, state: State) -> None:
        self.advance(submission, state)
        del self.counts[state]
        self.bytes -= submission.size
        del self._by_position[submission.position]
        del self._by_id[submission.uid, submission.id]
        self._not_durable.pop(submission.position, None)
        self._committable.set()

    # Durability

    async def wait_not_durable(self) -> None:
        """Wait for submissions whose files may not be on the disk yet. For one task at a time."""
        if not self._not_durable:
            self._unsynced = trio.Event()
            await self._unsynced.wait()

    async def wait_durable_wanted(self) -> None:
        """Wait until somebody waits for durability. For one task at a time."""
        if not self._durable_wanted.is_set():
            await self._durable_wanted.wait()

    def want_durable(self) -> None:
        """Somebody waits for durability: sync without delay."""
        self._durable_wanted.set()

    def next_to_sync(self, limit: int) -> list[Submission]:
        """The oldest submissions whose files may not be on the disk yet."""
        self._durable_wanted = trio.Event()
        return list(islice(self._not_durable.values(), limit))

    def synced(self, tried: Iterable[Submission], *, durable: Iterable[Submission]) -> None:
        """Of those that were `tried`, the files of the `durable` ones are on the disk, and the journal says so.

        The others can't be made durable; they become it when they are committed.
        """
        for submission in tried:
            self._not_durable.pop(submission.position, None)
        for submission in durable:
            submission.durable = True
            self.notify(submission)

    # Waiting

    def notify(self, submission: Submission) -> None:
        if submission.changed is not None:
            submission.changed.set()
            submission.changed = None

    async def wait_changed(self, submission: Submission) -> None:
        """Wait for the next change of its state or durability."""
        if submission.changed is None:
            submission.changed = trio.Event()
        await submission.changed.wait()
