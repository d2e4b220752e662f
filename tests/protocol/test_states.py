"""The table of states: every move it knows, and every move it refuses."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from artifactd.protocol.states import TERMINAL, TRANSITIONS, IllegalTransition, State, move

PATH = [State.ACCEPTED, State.HASHING, State.UPLOADING, State.READY, State.COMMITTED]


def test_every_state_stands_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize(("current", "target"), list(product(State, State)))
def test_a_move_is_taken_if_and_only_if_the_table_has_it(current: State, target: State) -> None:
    if target in TRANSITIONS[current]:
        assert move(current, target) is target
    else:
        with pytest.raises(IllegalTransition, match=f"{current} -> {target}"):
            move(current, target)


def test_the_way_of_a_submission_is_legal_in_order_and_never_backwards() -> None:
    for current, target in pairwise(PATH):
        assert target in TRANSITIONS[current]
        assert current not in TRANSITIONS[target]


def test_what_needs_no_upload_goes_straight_to_ready() -> None:
    assert move(State.HASHING, State.READY) is State.READY


def test_every_unfinished_state_may_fail_or_be_cancelled() -> None:
    assert {State.COMMITTED, State.FAILED, State.CANCELLED} == TERMINAL
    for state in set(State) - TERMINAL:
        assert {State.FAILED, State.CANCELLED} <= TRANSITIONS[state]
