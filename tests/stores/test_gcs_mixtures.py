"""Random mixtures of faults, sizes and crashes: every object ends with the right bytes, made once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifactd.daemon.stores import retry
from artifactd.daemon.stores.base import Store, StoreError
from servers.gcs import FakeGcs, fake_gcs
from servers.gcs_faults import Fault, Operation
from stores.gcs_support import Patience, gcs_store, stored
from stores.support import MIB, Journal, put, some_bytes

ANYWHERE = (None, Fault.DROP, Fault.UNAVAILABLE, Fault.THROTTLED, Fault.EXPIRED, Fault.RESET)
FAULTS = {
    Operation.PUT: ANYWHERE,
    Operation.BEGIN: ANYWHERE,
    Operation.CHUNK: (*ANYWHERE, Fault.KEEP_LESS, Fault.KEEP_NOTHING, Fault.GONE),
    Operation.FINISH: (*ANYWHERE, Fault.KEEP_LESS, Fault.KEEP_NOTHING, Fault.GONE),
    Operation.QUERY: (*ANYWHERE, Fault.GONE),
    Operation.HEAD: (*ANYWHERE, Fault.STALE),
}
MOST_DAMAGED = 3
"""Objects that arrive damaged more often are given up, as they should be."""

plans = st.fixed_dictionaries(
    {operation: st.lists(st.sampled_from(faults), max_size=6) for operation, faults in FAULTS.items()}
)
damages = st.lists(st.sampled_from([Operation.PUT, Operation.CHUNK, Operation.FINISH]), max_size=MOST_DAMAGED)
sizes = st.lists(
    st.sampled_from([1, 5_000, 8 * MIB + 1, 9 * MIB, 9 * MIB + 1, 10 * MIB - 1]), min_size=1, max_size=4
)
buckets = (f"bucket-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGcs]:
    with fake_gcs() as made:
        yield made


@settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=plans, damaged=damages, sizes=sizes, restarts=st.integers(0, 2))
def test_any_mixture_of_faults_ends_in_the_right_bytes_once(
    server: FakeGcs,
    monkeypatch: pytest.MonkeyPatch,
    plan: dict[Operation, list[Fault | None]],
    damaged: list[Operation],
    sizes: list[int],
    restarts: int,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.0005)
    server.faults.clear()
    for operation, faults in plan.items():
        server.faults.inflict(operation, *faults)
    for operation in damaged:
        server.faults.inflict(operation, Fault.CORRUPT)
    objects = {f"aa/{number}": some_bytes(size) for number, size in enumerate(sizes)}
    bucket = next(buckets)
    trio.run(upload, server, bucket, objects, restarts)
    for key, data in objects.items():
        assert stored(server, f"prefix/{key}", bucket) == data
    # What was inflicted on no request must not meet the next example's.
    server.faults.clear()
    del server.buckets[bucket]


async def upload(server: FakeGcs, bucket: str, objects: dict[str, bytes], restarts: int) -> None:
    """Store everything at the same time; each failure of one object may be the end of the process."""
    journal = Journal()
    patience = {key: Patience() for key in objects}
    missing = dict(objects)
    while missing:
        async with gcs_store(server, journal, bucket=bucket) as store:
            await store.recover()
            async with trio.open_nursery() as nursery:
                end = nursery.cancel_scope if restarts > 0 else None
                for key in list(missing):
                    nursery.start_soon(insist_unless_ended, store, key, missing, patience[key], end)
        restarts -= 1
    assert journal.open == {}


async def insist_unless_ended(
    store: Store, key: str, missing: dict[str, bytes], patience: Patience, end: trio.CancelScope | None
) -> None:
    while key in missing:
        try:
            await put(store, key, missing[key])
        except StoreError as error:
            patience.note(error)
            if end:
                end.cancel()
        else:
            del missing[key]
