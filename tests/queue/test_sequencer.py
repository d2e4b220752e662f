"""The order of commits, against a model that is too simple to be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from artifactd.daemon.queue.sequencer import Sequencer


@dataclass
class Item:
    position: int
    collection: str
    after: int | None
    ready: bool = False
    taken: bool = False


@dataclass
class Model:
    """A list in order of acceptance, searched from the front for every question."""

    items: list[Item] = field(default_factory=list)
    committed: set[int] = field(default_factory=set)

    def may_commit(self) -> set[int]:
        allowed: set[int] = set()
        for item in self.items:
            earlier = [other for other in self.items if other.collection == item.collection and other is not item]
            earlier = [other for other in earlier if other.position < item.position]
            in_line = all(other.position in allowed for other in earlier)
            free = item.after is None or item.after in self.committed
            if in_line and item.ready and not item.taken and free and not any(other.taken for other in earlier):
                allowed.add(item.position)
        return allowed


class SequencerMachine(RuleBasedStateMachine):
    alive = Bundle("alive")

    def __init__(self) -> None:
        super().__init__()
        self.sequencer = Sequencer()
        self.model = Model()
        self.next_position = 1
        self.commit_order: dict[str, list[int]] = {}

    def item(self, position: int) -> Item | None:
        return next((item for item in self.model.items if item.position == position), None)

    @rule(target=alive, collection=st.sampled_from("abc"), gap=st.integers(1, 3), choice=st.integers(0, 50))
    def accept(self, collection: str, gap: int, choice: int) -> int:
        position = self.next_position
        self.next_position += gap
        after = self.model.items[choice].position if choice < len(self.model.items) and choice % 3 == 0 else None
        self.sequencer.accepted(position, collection, after)
        self.model.items.append(Item(position, collection, after))
        return position

    @rule(position=alive)
    def become_ready(self, position: int) -> None:
        item = self.item(position)
        if item is not None and not item.ready:
            item.ready = True
            self.sequencer.ready(position)

    @rule(position=alive)
    def drop(self, position: int) -> None:
        doomed = [position]
        while doomed:
            victim = doomed.pop()
            item = self.item(victim)
            if item is None or item.taken:
                continue
            dependents = self.sequencer.dropped(victim)
            self.model.items.remove(item)
            assert set(dependents) == {other.position for other in self.model.items if other.after == victim}
            doomed.extend(dependents)

    @rule(limit=st.integers(1, 5))
    def take_and_commit(self, limit: int) -> None:
        allowed = self.model.may_commit()
        batch = self.sequencer.take(limit)
        assert set(batch) <= allowed
        assert len(batch) == min(limit, len(allowed))
        for position in batch:
            item = self.item(position)
            assert item is not None
            item.taken = True
        assert self.sequencer.take(100) == [] or len(allowed) > limit
        for item in list(self.model.items):
            if item.taken or self.sequencer.is_taken(item.position):
                self.sequencer.committed(item.position)
                self.model.items.remove(item)
                self.model.committed.add(item.position)
                self.commit_order.setdefault(item.collection, []).append(item.position)

    @invariant()
    def order_of_commits_is_order_of_acceptance(self) -> None:
        for order in self.commit_order.values():
            assert order == sorted(order)

    @invariant()
    def size_agrees(self) -> None:
        assert len(self.sequencer) == len(self.model.items)


TestSequencer = SequencerMachine.TestCase
TestSequencer.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_a_later_one_that_is_ready_first_waits_for_the_earlier_one() -> None:
    sequencer = Sequencer()
    sequencer.accepted(1, "a")
    sequencer.accepted(2, "a")
    sequencer.ready(2)
    assert sequencer.take(10) == []
    assert sequencer.waits_for(2) == 1
    sequencer.ready(1)
    assert sequencer.take(10) == [1, 2]


def test_nothing_is_taken_behind_a_commit_that_is_under_way() -> None:
    sequencer = Sequencer()
    for position in (1, 2):
        sequencer.accepted(position, "a")
    sequencer.ready(1)
    assert sequencer.take(10) == [1]
    sequencer.ready(2)
    assert sequencer.take(10) == []
    sequencer.committed(1)
    assert sequencer.take(10) == [2]


def test_a_dropped_one_holds_nobody_back() -> None:
    sequencer = Sequencer()
    for position in (1, 2):
        sequencer.accepted(position, "a")
    sequencer.ready(2)
    assert sequencer.dropped(1) == []
    assert sequencer.take(10) == [2]


def test_after_waits_across_collections() -> None:
    sequencer = Sequencer()
    sequencer.accepted(1, "a")
    sequencer.accepted(2, "b", after=1)
    sequencer.ready(2)
    assert sequencer.take(10) == []
    sequencer.ready(1)
    assert sequencer.take(10) == [1]
    sequencer.committed(1)
    assert sequencer.take(10) == [2]


def test_those_logged_after_a_dropped_one_are_named() -> None:
    sequencer = Sequencer()
    sequencer.accepted(1, "a")
    sequencer.accepted(2, "b", after=1)
    assert sequencer.dropped(1) == [2]


def test_positions_must_ascend_within_a_collection() -> None:
    sequencer = Sequencer()
    sequencer.accepted(2, "a")
    with pytest.raises(ValueError, match="does not ascend"):
        sequencer.accepted(1, "a")


def test_a_hundred_thousand_in_one_collection_do_not_slow_each_other_down() -> None:
    """Structure, not time: a quadratic step would run into the test's timeout."""
    sequencer = Sequencer()
    for position in range(100_000):
        sequencer.accepted(position, "a")
        sequencer.ready(position)
    done = 0
    while batch := sequencer.take(1_000):
        for position in batch:
            sequencer.committed(position)
        done += len(batch)
    assert done == 100_000
