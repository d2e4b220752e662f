"""The table of a draft's moves, walked: what it does not allow raises and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from sqlalchemy import Connection, select

from artifactd.daemon.catalog import Catalog
from artifactd.daemon.catalog.connecting import connect, parse
from artifactd.daemon.catalog.draft_states import DraftState, move
from artifactd.daemon.catalog.schema import drafts
from artifactd.protocol.states import IllegalTransition

ALLOWED = {"open closed", "open expired", "closed open", "closed finished", "closed expired"}


@pytest.fixture
def connection(catalog_url: str) -> Iterator[Connection]:
    Catalog.open(catalog_url).close()
    engines = connect(parse(catalog_url))
    with engines[0].begin() as connection:
        yield connection
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize(("state", "to"), list(product(DraftState, DraftState)))
def test_a_draft_moves_by_the_table_and_no_other_way(
    connection: Connection, state: DraftState, to: DraftState
) -> None:
    names = ("entity", "project", "name", "distributed_id", "type")
    connection.execute(drafts.insert().values(id=1, state=state, touched_at=0.0, **dict.fromkeys(names, "x")))
    if f"{state} {to}" in ALLOWED:
        move(connection, 1, to)
        state = to
    else:
        with pytest.raises(IllegalTransition, match=to):
            move(connection, 1, to)
    assert connection.scalar(select(drafts.c.state)) == state
