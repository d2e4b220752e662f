"""Random mixtures of faults while several blobs are stored at once: every one ends in the right bytes, once."""

from __future__ import annotations

import pytest
import trio
from blake3 import blake3
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from artifactd.daemon.stores.base import SINGLE_PUT
from servers.faults import Fault, Rule
from servers.process import S3Server
from servers.s3_requests import Operation
from stores.support import MIB
from stores.trial import REFUSALS, open_trial

PART = 5 * MIB

QUICK = (*REFUSALS, Fault.LOST_ANSWER, Fault.FAILED_ANSWER)
OF_BODIES = (Fault.CUT_REQUEST, Fault.DAMAGED_REQUEST, Fault.TWICE)
FAULTS = {
    Operation.PUT: (*QUICK, *OF_BODIES),
    Operation.CREATE: (*QUICK, Fault.ERROR_IN_200, Fault.BROKEN_ANSWER),
    Operation.PART: (*QUICK, *OF_BODIES, Fault.GONE),
    Operation.COMPLETE: (
        *QUICK,
        Fault.TWICE,
        Fault.ERROR_IN_200,
        Fault.ERROR_IN_200_ANSWER,
        Fault.BROKEN_ANSWER,
        Fault.GONE,
        Fault.GONE_ANSWER,
    ),
    Operation.ABORT: QUICK,
    Operation.HEAD: (*QUICK, Fault.STALE_NOTHING, Fault.STALE_SIZE),
    Operation.LIST_UPLOADS: (*QUICK, Fault.BROKEN_ANSWER),
}
# What is damaged, or not there, each time is given up after a few times.
MOST = {Fault.DAMAGED_REQUEST: 2, Fault.STALE_NOTHING: 1, Fault.STALE_SIZE: 1}


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    operation = draw(st.sampled_from(list(FAULTS)))
    fault = draw(st.sampled_from(FAULTS[operation]))
    return Rule(fault, {operation}, after=draw(st.integers(0, 4)), times=draw(st.integers(1, MOST.get(fault, 6))))


NEAR_A_BOUNDARY = st.builds(int.__add__, st.sampled_from([1, PART, SINGLE_PUT, 2 * PART]), st.integers(-1, 1))
SIZES = st.lists(NEAR_A_BOUNDARY | st.integers(0, 3 * PART), min_size=1, max_size=3)


def mixture(server: S3Server, monkeypatch: pytest.MonkeyPatch, mixed: list[Rule], sizes: list[int]) -> None:
    contents = [blake3(f"{number} of {size}".encode()).digest(size) for number, size in enumerate(sizes)]
    contents = list({blake3(data).digest(): data for data in contents}.values())

    async def run() -> None:
        async with open_trial(server, monkeypatch, *mixed) as trial:
            await trial.upload(*contents)
            trial.check(*contents)

    trio.run(run)


MIXED = st.lists(rules(), min_size=1, max_size=6)
COMMON = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# Only a server that verifies what it gets can survive damaged requests.
@given(mixed=MIXED, sizes=SIZES)
@settings(COMMON, max_examples=10)
def test_a_mixture_of_faults_ends_in_the_right_bytes_once(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch, mixed: list[Rule], sizes: list[int]
) -> None:
    mixture(ministack_server, monkeypatch, mixed, sizes)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["juicefs_server", "ministack_server", "moto_server", "swift_server"])
@given(mixed=MIXED, sizes=SIZES)
@settings(COMMON, max_examples=60)
def test_many_mixtures_of_faults_end_in_the_right_bytes_once(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    mixed: list[Rule],
    sizes: list[int],
) -> None:
    server: S3Server = request.getfixturevalue(name)
    if name in ("juicefs_server", "moto_server"):
        mixed = [rule for rule in mixed if rule.fault is not Fault.DAMAGED_REQUEST]
    mixture(server, monkeypatch, mixed, sizes)
