from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from artifactd.client.demo.crew import Crew
from artifactd.client.demo.failure import DemoFailed


def explode(connection: Connection, text: str) -> None:
    raise RuntimeError(text)


def leave(connection: Connection) -> None:
    """A worker that ends well, but reports nothing."""


def wait_for_ever(connection: Connection) -> None:
    connection.recv()


def test_a_worker_that_fails_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        crew.start("trainer", explode, "out of digits")
        with pytest.raises(DemoFailed, match=r"(?s)trainer failed.*out of digits"):
            crew.gather(lambda: False)


def test_a_report_that_never_comes_ends_the_demo(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        crew.start("trainer", leave)
        with pytest.raises(DemoFailed, match="nothing more came"):
            crew.gather(lambda: bool(crew.logged))


def test_no_worker_outlives_the_crew(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        worker = crew.start("trainer", wait_for_ever)

    assert worker.process.exitcode is not None
