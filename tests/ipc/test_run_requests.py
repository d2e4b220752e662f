"""What a stranger may say of a run, before the catalog hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from artifactd.daemon.catalog import Catalog
from artifactd.daemon.ipc.access import Peer
from artifactd.daemon.ipc.runs import Runs
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.messages import StartRun

PEER = Peer(uid=1000, pid=1)
START = StartRun(id="r1", entity="team", project="vision", name="n", lock="0" * 32)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "../r1"},
        {"entity": ""},
        {"project": "a/b"},
        {"config": "[]"},
        {"config": "{"},
        {"config": '{"lr": NaN}'},
        {"config": '{"a": "' + "x" * (1 << 20) + '"}'},
        {"name": "x" * 1001},
        {"job_type": "x" * 1001},
        {"group": "x" * 1001},
        {"host": "x" * 1001},
        {"lock": "../../journal.db"},
        {"lock": "0" * 31 + "\n"},
        {"lock": ""},
    ],
    ids=lambda bad: "-".join(bad),
)
async def test_a_run_that_breaks_a_rule_is_refused_and_not_recorded(catalog: Catalog, bad: dict[str, str]) -> None:
    request = replace(START, **bad)
    with pytest.raises(InvalidRequest):
        await Runs(catalog).start(PEER, request)
    with pytest.raises(ArtifactNotFound):
        catalog.run(request.entity, request.project, request.id)


async def test_a_run_that_keeps_the_rules_is_recorded(catalog: Catalog) -> None:
    await Runs(catalog).start(PEER, replace(START, config='{"lr": 1e-3}', group="x" * 1000))
    assert catalog.run("team", "vision", "r1").state == "running"
