"""Each promise of the demo fails for the lie that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from artifactd.client.demo.checks import Check, check_dataset, check_evaluation, check_models
from artifactd.client.demo.crew import Logged
from artifactd.client.demo.evidence import Committed

MODEL = "digits"
SCORES = (0.5, 0.9, 0.7)
BEST = 1

LOST, ORDER, BYTES, ALIASES = range(4)
SAME_VERSION, COST, DATASET_BYTES = range(3)


def logged(epoch: int) -> Logged:
    metadata = {"epoch": epoch, "accuracy": SCORES[epoch]}
    return Logged(MODEL, f"{epoch:032x}", metadata, {"checkpoint.npz": f"digest {epoch}"}, 10, 0.001)


def committed(epoch: int) -> Committed:
    aliases = (("best",) if epoch == BEST else ()) + (("latest",) if epoch == len(SCORES) - 1 else ())
    return Committed(epoch, aliases, logged(epoch).metadata, logged(epoch).digests)


def model_checks(versions: list[Committed]) -> list[Check]:
    return check_models({MODEL: [logged(epoch) for epoch in range(len(SCORES))]}, {MODEL: versions})


def honest() -> list[Committed]:
    return [committed(epoch) for epoch in range(len(SCORES))]


def test_the_truth_is_believed() -> None:
    assert all(check.held for check in model_checks(honest()))


def lose_the_last(versions: list[Committed]) -> None:
    versions.pop()


def leave_a_gap(versions: list[Committed]) -> None:
    versions[2] = replace(versions[2], version=3)


def commit_twice(versions: list[Committed]) -> None:
    versions.append(replace(versions[-1], version=3))


def swap_the_epochs(versions: list[Committed]) -> None:
    first, second = versions[:2]
    versions[:2] = [replace(first, metadata=second.metadata), replace(second, metadata=first.metadata)]


def store_later_bytes(versions: list[Committed]) -> None:
    versions[0] = replace(versions[0], digests=versions[1].digests)


def leave_best_behind(versions: list[Committed]) -> None:
    versions[0] = replace(versions[0], aliases=("best",))
    versions[BEST] = replace(versions[BEST], aliases=())


def move_latest_back(versions: list[Committed]) -> None:
    versions[1] = replace(versions[1], aliases=("best", "latest"))
    versions[2] = replace(versions[2], aliases=())


@pytest.mark.parametrize(
    ("lie", "broken"),
    [
        (lose_the_last, LOST),
        (leave_a_gap, LOST),
        (commit_twice, LOST),
        (swap_the_epochs, ORDER),
        (store_later_bytes, BYTES),
        (leave_best_behind, ALIASES),
        (move_latest_back, ALIASES),
    ],
)
def test_a_lie_about_a_model_is_found_out(lie: Callable[[list[Committed]], None], broken: int) -> None:
    versions = honest()
    lie(versions)

    check = model_checks(versions)[broken]

    assert not check.held
    assert MODEL in check.detail


def test_a_model_without_any_version_breaks_every_promise() -> None:
    assert not any(check.held for check in model_checks([]))


def dataset_checks(versions: list[Committed], *, times: int = 2, cost: int = 0) -> list[bool]:
    return [check.held for check in check_dataset([logged(0)] * times, versions, cost)]


def test_a_dataset_that_was_logged_twice_is_one_version_with_its_bytes() -> None:
    assert all(dataset_checks([committed(0)]))


@pytest.mark.parametrize(
    ("held", "broken"),
    [
        (dataset_checks([committed(0), replace(committed(0), version=1)]), SAME_VERSION),
        (dataset_checks([committed(0)], times=1), SAME_VERSION),
        (dataset_checks([committed(0)], cost=1), COST),
        (dataset_checks([replace(committed(0), digests={"checkpoint.npz": "other"})]), DATASET_BYTES),
        (dataset_checks([]), DATASET_BYTES),
    ],
)
def test_a_lie_about_the_dataset_is_found_out(held: list[bool], broken: int) -> None:
    assert not held[broken]


def test_an_accuracy_that_the_weights_do_not_reach_is_found_out() -> None:
    assert check_evaluation("digits:best", 0.9, 0.9).held
    assert not check_evaluation("digits:best", 0.9, 0.8).held
