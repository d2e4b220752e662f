"""Every fault of the proxy, alone: in a single PUT, a part, the creation and the completion of a multipart upload.

On juicefs, which verifies nothing, and on ministack, which verifies checksums.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from artifactd.daemon.stores.base import SINGLE_PUT, Kind, StoreError
from artifactd.daemon.stores.buckets.single_puts import SMALL_PUTS
from artifactd.daemon.stores.sources import BytesSource
from artifactd.protocol.errors import ArtifactFailed
from servers.faults import Fault, Rule
from servers.process import S3Server
from servers.s3_requests import Operation
from stores.support import MIB, digest, put, some_bytes
from stores.trial import REFUSALS, open_trial

SINGLE = 300_000
TWO_PARTS = 8 * MIB + 3

REFUSED = (*REFUSALS, Fault.DENIED)
BODIES = (Fault.CUT_REQUEST, Fault.STALLED_REQUEST, Fault.SLOW_REQUEST)
ANSWERS = (Fault.LOST_ANSWER, Fault.FAILED_ANSWER, Fault.STALLED_ANSWER, Fault.TWICE)
DOCUMENTS = (Fault.ERROR_IN_200, Fault.ERROR_IN_200_ANSWER, Fault.BROKEN_ANSWER)
FAULTS = {
    Operation.PUT: (*REFUSED, *BODIES, *ANSWERS, *DOCUMENTS[:2]),
    # Not `TWICE`: below.
    Operation.CREATE: (*REFUSED, *ANSWERS[:-1], *DOCUMENTS),
    Operation.PART: (*REFUSED, *BODIES, *ANSWERS, Fault.GONE),
    Operation.COMPLETE: (*REFUSED, *ANSWERS, *DOCUMENTS, Fault.CUT_REQUEST, Fault.GONE, Fault.GONE_ANSWER),
}
EACH = [(operation, fault) for operation, faults in FAULTS.items() for fault in faults]
HEARD = [(operation, fault) for operation, fault in EACH if fault not in REFUSED]
"""Those of which the server itself hears something."""
SLOW = frozenset({Fault.STALLED_REQUEST, Fault.SLOW_REQUEST, Fault.STALLED_ANSWER})
"""Seconds each."""


@pytest.fixture(params=["juicefs_server", pytest.param("ministack_server", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


def names(rows: Iterable[Iterable[Operation | Fault | Kind]]) -> list[str]:
    return ["-".join(part.name for part in row).lower() for row in rows]


def bytes_for(operation: Operation) -> bytes:
    return some_bytes(SINGLE if operation is Operation.PUT else TWO_PARTS)


async def test_the_proxy_alone_spoils_nothing(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = some_bytes(SINGLE), some_bytes(TWO_PARTS)
    async with open_trial(server, monkeypatch) as trial:
        await trial.upload(small, large)
        trial.check(small, large)
        assert trial.journal.open == {}
        counted = {operation: trial.faults.count(operation) for operation in Operation}
        parts = [trial.faults.count(Operation.PART, part=number) for number in (1, 2, 3)]
    assert counted[Operation.PUT] == counted[Operation.CREATE] == 1
    assert counted[Operation.OTHER] == 0
    assert parts == [1, 1, 0]


@pytest.mark.parametrize(("operation", "fault"), EACH, ids=names(EACH))
async def test_a_fault_ends_in_the_right_bytes_once(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, operation: Operation, fault: Fault
) -> None:
    await survive(juicefs_server, monkeypatch, operation, fault)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        pytest.param(operation, fault, marks=[pytest.mark.long] if fault in SLOW else [])
        for operation, fault in HEARD
    ],
    ids=names(HEARD),
)
async def test_a_fault_ends_in_the_right_bytes_once_on_a_server_that_verifies(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch, operation: Operation, fault: Fault
) -> None:
    await survive(ministack_server, monkeypatch, operation, fault)


async def survive(server: S3Server, monkeypatch: pytest.MonkeyPatch, operation: Operation, fault: Fault) -> None:
    data = bytes_for(operation)
    async with open_trial(server, monkeypatch, Rule(fault, {operation})) as trial:
        await trial.upload(data)
        trial.check(data)
        assert trial.journal.open == {}
        assert len(trial.faults.struck()) == 1


async def test_a_slow_request_is_not_a_dead_one(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_trial(server, monkeypatch, Rule(Fault.SLOW_REQUEST, {Operation.PUT})) as trial:
        # Most of it does not fit into the buffers of the connection, which say nothing of what they hold.
        await trial.upload(some_bytes(SINGLE_PUT))
        assert trial.faults.count(Operation.PUT) == 1


async def test_an_upload_that_the_network_created_twice_leaves_one_for_the_lifecycle_rule_of_the_bucket(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = some_bytes(TWO_PARTS)
    async with open_trial(server, monkeypatch, Rule(Fault.TWICE, {Operation.CREATE})) as trial:
        await trial.upload(data)
        assert [digest(stored) for stored in trial.objects().values()] == [digest(data)]
        assert len(trial.unfinished()) == 1
        assert trial.journal.open == {}


GLANCES = (Fault.STALE_NOTHING, Fault.STALE_SIZE, Fault.INTERNAL, Fault.RESET, Fault.DENIED, Fault.STALLED_ANSWER)
COMPLETIONS = (Fault.FAILED_ANSWER, Fault.ERROR_IN_200_ANSWER, Fault.BROKEN_ANSWER, Fault.GONE_ANSWER)
AMBIGUOUS = (
    *(
        (operation, Fault.LOST_ANSWER, glance)
        for operation in (Operation.PUT, Operation.COMPLETE)
        for glance in GLANCES
    ),
    *((Operation.COMPLETE, fault, Fault.STALE_NOTHING) for fault in COMPLETIONS),
)


@pytest.mark.parametrize(
    ("operation", "fault", "glance"),
    AMBIGUOUS,
    ids=[f"{o.name}-{f.name}-{g.name}".lower() for o, f, g in AMBIGUOUS],
)
async def test_a_lost_outcome_that_cannot_be_looked_up_is_settled_in_the_end(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, operation: Operation, fault: Fault, glance: Fault
) -> None:
    data = bytes_for(operation)
    # Twice: aiohttp itself repeats a PUT whose connection broke.
    rules = [Rule(fault, {operation}, times=2), Rule(glance, {Operation.HEAD})]
    async with open_trial(server, monkeypatch, *rules) as trial:
        await trial.upload(data)
        trial.check(data)
        assert trial.journal.open == {}
        assert {met.fault for met in trial.faults.struck()} == {fault, glance}


@pytest.mark.parametrize("glance", [Fault.STALE_NOTHING, Fault.STALE_SIZE])
@pytest.mark.parametrize("lost", [False, True])
async def test_an_object_that_shows_late_is_waited_for_and_not_sent_again(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, glance: Fault, lost: bool
) -> None:
    """The server vouches for no whole object, so each completion is confirmed by a look."""
    data = some_bytes(TWO_PARTS)
    rules = [Rule(glance, {Operation.HEAD}, times=6)]
    if lost:
        rules.append(Rule(Fault.LOST_ANSWER, {Operation.COMPLETE}))
    async with open_trial(juicefs_server, monkeypatch, *rules) as trial:
        await trial.upload(data)
        trial.check(data)
        assert trial.faults.count(Operation.PART) == 2
        assert trial.faults.count(Operation.CREATE) == 1
        assert trial.journal.open == {}


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST_ANSWER, Fault.INTERNAL, Fault.DENIED])
async def test_an_upload_that_fails_and_cannot_be_aborted_either_is_not_forgotten(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    data = some_bytes(TWO_PARTS)
    async with open_trial(server, monkeypatch, Rule(fault, {Operation.ABORT}, times=2)) as trial:
        with pytest.raises(StoreError) as caught:
            await trial.store.put("aa/object", BytesSource(data), digest=digest(b"other bytes"))
        assert caught.value.kind is Kind.CORRUPT
        # aiohttp itself repeats a request without a body whose connection broke.
        assert trial.faults.count(Operation.ABORT) == len(trial.faults.struck()) >= 1
        assert list(trial.journal.open) == ["aa/object"]
        assert trial.unfinished() <= set(trial.journal.ids().values())
        await put(trial.store, "aa/object", data)
        assert [digest(stored) for stored in trial.objects().values()] == [digest(data)]
        assert trial.unfinished() == set()
        assert trial.journal.open == {}


FOR_GOOD = (
    (Operation.PUT, Fault.SLOW_DOWN, Kind.THROTTLED),
    (Operation.PUT, Fault.TOO_MANY, Kind.THROTTLED),
    (Operation.PUT, Fault.BAD_GATEWAY, Kind.TRANSIENT),
    (Operation.PUT, Fault.EXPIRED, Kind.DENIED),
    (Operation.PUT, Fault.SKEWED, Kind.DENIED),
    (Operation.PUT, Fault.DENIED, Kind.DENIED),
    (Operation.PUT, Fault.RESET, Kind.UNKNOWN_OUTCOME),
    (Operation.PUT, Fault.CUT_REQUEST, Kind.UNKNOWN_OUTCOME),
    (Operation.PUT, Fault.STALLED_REQUEST, Kind.UNKNOWN_OUTCOME),
    (Operation.CREATE, Fault.SLOW_DOWN, Kind.THROTTLED),
    (Operation.CREATE, Fault.EXPIRED, Kind.DENIED),
    (Operation.CREATE, Fault.RESET, Kind.UNKNOWN_OUTCOME),
    (Operation.CREATE, Fault.LOST_ANSWER, Kind.UNKNOWN_OUTCOME),
    (Operation.PART, Fault.SLOW_DOWN, Kind.THROTTLED),
    (Operation.PART, Fault.INTERNAL, Kind.TRANSIENT),
    (Operation.PART, Fault.SKEWED, Kind.DENIED),
    (Operation.PART, Fault.RESET, Kind.TRANSIENT),
    (Operation.PART, Fault.CUT_REQUEST, Kind.TRANSIENT),
    (Operation.PART, Fault.GONE, Kind.TRANSIENT),
    (Operation.COMPLETE, Fault.SLOW_DOWN, Kind.THROTTLED),
    (Operation.COMPLETE, Fault.EXPIRED, Kind.DENIED),
    (Operation.COMPLETE, Fault.ERROR_IN_200, Kind.TRANSIENT),
    (Operation.COMPLETE, Fault.RESET, Kind.UNKNOWN_OUTCOME),
    (Operation.COMPLETE, Fault.GONE, Kind.TRANSIENT),
)


@pytest.mark.parametrize(("operation", "fault", "kind"), FOR_GOOD, ids=names(FOR_GOOD))
async def test_a_fault_for_good_is_named_and_leaves_nothing_but_what_the_next_put_goes_on_with(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, operation: Operation, fault: Fault, kind: Kind
) -> None:
    data = bytes_for(operation)
    async with open_trial(server, monkeypatch, Rule(fault, {operation}, times=None)) as trial:
        with pytest.raises(StoreError) as caught:
            await put(trial.store, "aa/object", data)
        assert caught.value.kind is kind
        assert trial.objects() == {}
        left = trial.unfinished()
        assert left == {upload_id for upload_id in trial.journal.ids().values() if upload_id}
        assert len(left) == (operation in (Operation.PART, Operation.COMPLETE))
        trial.faults.replace(())
        await put(trial.store, "aa/object", data)
        assert [digest(stored) for stored in trial.objects().values()] == [digest(data)]
        if left:
            assert trial.faults.count(Operation.CREATE) == 1
        assert trial.unfinished() == set()
        assert trial.journal.open == {}


async def test_damage_for_good_fails_the_artifact_and_leaves_nothing(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Rule(Fault.DAMAGED_REQUEST, {Operation.PUT}, times=None)
    async with open_trial(ministack_server, monkeypatch, rule) as trial:
        with pytest.RaisesGroup(ArtifactFailed):
            await trial.upload(some_bytes(SINGLE))
        trial.check()
        assert trial.journal.open == {}


@pytest.mark.parametrize(
    ("name", "operation", "verifies"),
    [
        ("juicefs", Operation.PUT, False),
        ("juicefs", Operation.PART, False),
        ("moto", Operation.PUT, False),
        # It answers a completion with the checksum of what it has.
        ("moto", Operation.PART, True),
        ("ministack", Operation.PUT, True),
        ("ministack", Operation.PART, True),
        ("swift", Operation.PUT, True),
        ("swift", Operation.PART, True),
    ],
)
async def test_bytes_damaged_on_the_way_are_sent_again_if_the_server_verifies_what_it_gets(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    operation: Operation,
    verifies: bool,
) -> None:
    """Where it does not, and says nothing of what it has, only the reader can tell. TLS is the remedy."""
    server: S3Server = request.getfixturevalue(f"{name}_server")
    data = bytes_for(operation)
    rule = Rule(Fault.DAMAGED_REQUEST, {operation}, part=operation is Operation.PART)
    async with open_trial(server, monkeypatch, rule) as trial:
        await trial.upload(data)
        (stored,) = trial.objects().values()
        assert (digest(stored) == digest(data)) is verifies
        assert trial.faults.count(operation, part=operation is Operation.PART) == 1 + verifies


async def test_of_a_batch_nothing_more_is_sent_once_one_was_denied(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_trial(juicefs_server, monkeypatch, Rule(Fault.DENIED, {Operation.PUT}, times=None)) as trial:
        outcomes = await trial.store.put_batch([(f"aa/{number}", b"data") for number in range(1000)])
        assert {error and error.kind for error in outcomes} == {Kind.DENIED}
        # Each twice: the SDK may know better.
        assert trial.faults.count(Operation.PUT) <= 2 * SMALL_PUTS


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.INTERNAL])
async def test_a_burst_in_which_every_request_fails_ends_in_the_right_bytes_once(
    juicefs_server: S3Server, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    small, large = some_bytes(SINGLE), some_bytes(TWO_PARTS)
    rules = [Rule(fault, frozenset(Operation), after=3, times=30)]
    async with open_trial(juicefs_server, monkeypatch, *rules) as trial:
        await trial.upload(small, large)
        trial.check(small, large)
        assert trial.journal.open == {}
        assert len(trial.faults.struck()) == 30
