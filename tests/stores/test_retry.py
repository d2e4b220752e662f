"""When to try again: pure numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.stores.base import Kind
from artifactd.daemon.stores.retry import (
    DENIED_SECONDS,
    FIRST_SECONDS,
    LONGEST_SECONDS,
    MOST_SAVED,
    SHARE,
    RetryBudget,
    delay,
)


@given(st.sampled_from(Kind), st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_bounded_and_never_nothing(kind: Kind, attempt: int, jitter: float) -> None:
    seconds = delay(kind, attempt, jitter)
    assert seconds is None or FIRST_SECONDS / 10 <= seconds <= LONGEST_SECONDS


@pytest.mark.parametrize("kind", [Kind.TRANSIENT, Kind.THROTTLED, Kind.UNKNOWN_OUTCOME, Kind.DENIED])
def test_an_outage_is_never_given_up(kind: Kind) -> None:
    assert delay(kind, 1_000_000, 0.5) is not None


@pytest.mark.parametrize("kind", [Kind.PERMANENT, Kind.CORRUPT, Kind.NOT_FOUND, Kind.CONFLICT])
def test_what_a_retry_cannot_mend_is_given_up(kind: Kind) -> None:
    assert delay(kind, 100, 0.5) is None


def test_what_an_operator_mends_goes_on_within_seconds() -> None:
    seconds = delay(Kind.DENIED, 1_000_000, 0.999)
    assert seconds is not None
    assert seconds <= DENIED_SECONDS < LONGEST_SECONDS


def test_delays_grow() -> None:
    assert [delay(Kind.TRANSIENT, attempt, 0.999) for attempt in range(1, 9)] == sorted(
        delay(Kind.TRANSIENT, attempt, 0.999) or 0 for attempt in range(1, 9)
    )


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.001)), max_size=2_000))
def test_retries_stay_a_small_part_of_requests(steps: list[tuple[bool, float]]) -> None:
    budget, now, asked, spent = RetryBudget(0.0), 0.0, 0, 0
    for is_request, passed in steps:
        now += passed
        if is_request:
            budget.asked()
            asked += 1
        else:
            spent += budget.spend(now)
    assert spent <= MOST_SAVED + SHARE * asked + now + 1e-6


def test_a_budget_that_was_spent_comes_back_with_time_and_with_requests() -> None:
    budget = RetryBudget(0.0)
    assert sum(budget.spend(0.0) for _ in range(1_000)) == MOST_SAVED
    assert budget.spend(1.0)
    assert not budget.spend(1.0)
    for _ in range(11):
        budget.asked()
    assert budget.spend(1.0)
    assert sum(budget.spend(1e6) for _ in range(1_000)) == MOST_SAVED
