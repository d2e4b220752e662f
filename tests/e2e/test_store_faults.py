"""A daemon whose object store has a bad day breaks no promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.clients import Workload, running_clients
from harness.contents import Shape
from harness.fixtures import MakeDaemon
from harness.places import new_bucket
from harness.verify import verify
from servers.fault_proxy import fault_proxy
from servers.faults import Fault, Rule
from servers.process import S3Server
from servers.s3_requests import Operation

SEED = 4
SHAPES = (Shape.MULTIPART, Shape.TINY, Shape.PACKED, Shape.TINY, Shape.PLAIN, Shape.TINY)
OF_ALL = (
    Fault.SLOW_DOWN,
    Fault.TOO_MANY,
    Fault.INTERNAL,
    Fault.BAD_GATEWAY,
    Fault.EXPIRED,
    Fault.RESET,
    Fault.LOST_ANSWER,
    Fault.FAILED_ANSWER,
)
DOWNLOADS = (Fault.DAMAGED_DOWNLOAD, Fault.SHORT_DOWNLOAD, Fault.RESET, Fault.INTERNAL)
EVERYTHING = frozenset(Operation) - {Operation.GET}
UPLOADS = frozenset({Operation.PUT, Operation.PART})


def bad_day() -> list[Rule]:
    """About every fifth request meets a fault."""
    often = [Rule(fault, EVERYTHING, times=None, probability=0.02) for fault in OF_ALL]
    bodies = [Rule(fault, UPLOADS, times=None, probability=0.03) for fault in (Fault.CUT_REQUEST, Fault.TWICE)]
    completions = [
        Rule(fault, {Operation.COMPLETE}, times=None, probability=0.1)
        for fault in (Fault.TWICE, Fault.ERROR_IN_200, Fault.ERROR_IN_200_ANSWER, Fault.GONE_ANSWER)
    ]
    downloads = [Rule(fault, {Operation.GET}, times=None, probability=0.04) for fault in DOWNLOADS]
    return [*often, *bodies, *completions, *downloads]


@pytest.mark.parametrize("name", ["juicefs_server", pytest.param("ministack_server", marks=pytest.mark.long)])
def test_a_store_with_a_bad_day_breaks_no_promise(
    name: str, request: pytest.FixtureRequest, make_daemon: MakeDaemon, tmp_path: Path
) -> None:
    server: S3Server = request.getfixturevalue(name)
    workload = Workload(collections=("model", "data"), shapes=SHAPES, processes=2, each=24, seed=SEED)
    with fault_proxy(server.endpoint, *bad_day(), seed=SEED) as proxy:
        daemon = make_daemon(new_bucket(server, proxy.endpoint))
        daemon.start()
        with running_clients(daemon, workload, tmp_path / "ledger") as clients:
            calls = clients.wait()
        assert len(calls) == 48
        assert verify(daemon, calls) == []
        assert len(proxy.faults.struck()) > 20
        daemon.stop()
