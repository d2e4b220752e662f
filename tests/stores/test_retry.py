"""When to try again: pure numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactd.daemon.stores.base import Kind
from artifactd.daemon.stores.retry import FIRST_SECONDS, LONGEST_SECONDS, delay


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


def test_delays_grow() -> None:
    assert [delay(Kind.TRANSIENT, attempt, 0.999) for attempt in range(1, 9)] == sorted(
        delay(Kind.TRANSIENT, attempt, 0.999) or 0 for attempt in range(1, 9)
    )
