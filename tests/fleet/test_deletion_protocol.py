"""The protocol of `docs/deletion-protocol.md`, in every order of its steps: nothing is lost, no garbage stays."""

from __future__ import annotations

import re

import pytest

from fleet.deletion_page import PAGE, explore_complete, explore_without, row_of, section_of
from fleet.deletion_world import Omission
from fleet.deletion_worlds import COMPLETE, world_without


@pytest.mark.parametrize("name", COMPLETE)
def test_no_order_of_steps_loses_a_blob_or_keeps_garbage(name: str) -> None:
    explored = explore_complete(COMPLETE[name])
    assert explored.wrong is None, f"\n{explored}"
    assert row_of(name, explored) in PAGE.read_text()


@pytest.mark.parametrize("omission", Omission)
def test_no_step_can_be_left_out(omission: Omission) -> None:
    explored = explore_without(omission)
    assert explored.wrong is not None, f"{explored.states} states, and none of them is wrong"
    assert section_of(omission, explored) in PAGE.read_text()


def test_the_page_tells_of_no_step_that_is_not_there() -> None:
    headings = re.findall("^### (.*)$", PAGE.read_text(), re.MULTILINE)
    assert [heading.lower() for heading in headings] == [omission.value.lower() for omission in Omission]


def test_who_compares_begins_may_forget_what_is_in_flight() -> None:
    world = world_without(Omission.FORGOTTEN_IN_FLIGHT)._replace(compares_begin=True, faults=2)
    explored = explore_complete(world)
    assert explored.wrong is None, f"\n{explored}"
