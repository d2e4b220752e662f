"""While submissions pour in the pipeline holds back, but never for long."""

from __future__ import annotations

import pytest

from artifactd.daemon.queue.burst import LONGEST, LULL, Burst


def test_nothing_holds_the_pipeline_back_before_the_first_submission() -> None:
    assert Burst().hold(0.0) == 0.0


def test_one_submission_is_processed_after_a_lull() -> None:
    burst = Burst()
    burst.accepted(10.0)
    assert burst.hold(10.0) == pytest.approx(LULL)
    assert burst.hold(10.0 + 2 * LULL) == 0.0


def test_each_new_submission_prolongs_the_wait_until_the_longest() -> None:
    burst = Burst()
    step = LULL / 2
    now, longest_wait = 10.0, 0
    while burst.hold(now) or longest_wait == 0:
        now += step
        longest_wait += 1
        burst.accepted(now)
        assert burst.hold(now) <= LULL * 1.001
    assert longest_wait * step == pytest.approx(LONGEST, abs=2 * LULL)


def test_an_endless_burst_holds_the_pipeline_back_only_at_its_beginning() -> None:
    burst = Burst()
    now = 10.0
    while now < 10.0 + 3 * LONGEST:
        burst.accepted(now)
        if now > 10.0 + LONGEST:
            assert burst.hold(now) == 0.0
        now += LULL / 2


def test_after_a_lull_a_new_burst_begins() -> None:
    burst = Burst()
    now = 10.0
    while now < 10.0 + 2 * LONGEST:
        burst.accepted(now)
        now += LULL / 2
    burst.accepted(now + 2 * LULL)
    assert burst.hold(now + 2 * LULL) == pytest.approx(LULL)


def test_a_burst_that_has_ended_holds_nothing_back_until_the_next_submission() -> None:
    burst = Burst()
    burst.accepted(10.0)
    burst.ended()
    assert burst.hold(10.0) == 0.0
    burst.accepted(10.0 + LULL / 2)
    assert burst.hold(10.0 + LULL / 2) == pytest.approx(LULL)
