"""Which files the look for crashed runs takes away, and how it outlives a catalog that does not answer."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import trio

from artifactd.daemon.catalog import Catalog, CatalogUnavailable
from artifactd.daemon.catalog.runs import RunEnd
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.crashes import UNKNOWN_SECONDS, Crashes
from artifactd.daemon.pipeline.health import Health

OLD = UNKNOWN_SECONDS + 100


class ScriptedCatalog:
    """Answers each `crash_run` with the next of `answers`; the last one stays."""

    def __init__(self, *answers: RunEnd | CatalogUnavailable | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []

    def crash_run(self, uid: int, entity: str, project: str, id: str, locks: Collection[str]) -> RunEnd | None:
        self.asked.append((uid, entity, project, id, sorted(locks)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CatalogUnavailable):
            raise answer
        return answer


def name(number: int) -> str:
    return f"{number:032x}"


def leave(directory: Path, number: int, *, age: float = 0.0, text: str | None = None) -> None:
    """A free file of the run r1."""
    file = directory / name(number)
    file.write_text(json.dumps({"entity": "team", "project": "vision", "id": "r1"}) if text is None else text)
    made = file.stat().st_mtime - age
    os.utime(file, (made, made))


async def sweep(directory: Path, catalog: ScriptedCatalog) -> list[str]:
    """Look once; the names of the files that are left."""
    health = Health("catalog", "sqlite://")
    crashes = Crashes(directory=directory, catalog=cast(Catalog, catalog), calls=CatalogCalls(health))
    await crashes._sweep()
    assert health.error is None
    return sorted(os.listdir(directory))


async def test_all_free_files_of_a_run_are_settled_at_once_and_the_runs_own_goes(tmp_path: Path) -> None:
    for number in (1, 2):
        leave(tmp_path, number)
    catalog = ScriptedCatalog(RunEnd(name(2), "crashed"))
    assert await sweep(tmp_path, catalog) == [name(1)]
    assert catalog.asked == [(os.getuid(), "team", "vision", "r1", [name(1), name(2)])]


async def test_a_file_whose_start_may_still_arrive_stays_for_an_hour(tmp_path: Path) -> None:
    leave(tmp_path, 1)
    leave(tmp_path, 2, age=OLD)
    assert await sweep(tmp_path, ScriptedCatalog(None)) == [name(1)]


async def test_what_names_no_run_goes_after_an_hour(tmp_path: Path) -> None:
    leave(tmp_path, 1, text="")
    leave(tmp_path, 2, text="", age=OLD)
    catalog = ScriptedCatalog(None)
    assert await sweep(tmp_path, catalog) == [name(1)]
    assert catalog.asked == []


async def test_a_catalog_that_is_away_is_asked_again_and_no_file_goes_before_it_answers(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    leave(tmp_path, 1, age=OLD)
    away = CatalogUnavailable("locked")
    catalog = ScriptedCatalog(away, away, RunEnd(name(1), "crashed"))
    assert await sweep(tmp_path, catalog) == []
    assert len(catalog.asked) == 3
