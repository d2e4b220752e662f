"""docs/api.md: it is what the docstrings say, they leave nothing out, and their examples run."""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import artifactd.client as artifactd
from artifactd.client import _defaults
from harness.daemon import DaemonProcess

_SCRIPT = Path(__file__).parents[2] / "docs" / "make_api.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_api", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_api = _load()
CHAPTERS = dict(make_api.objects())
OWNERS = [owner for owners in CHAPTERS.values() for owner in owners]
CALLABLES = [
    member
    for owner in OWNERS
    for member in (owner, *make_api.members_of(owner))
    if owner not in CHAPTERS["Errors"] and member.signature
]
DOCUMENTED = {"the package": artifactd.__doc__} | {
    member.title: member.docstring for owner in OWNERS for member in (owner, *make_api.members_of(owner))
}
EXAMPLES = {title: docstring for title, docstring in DOCUMENTED.items() if ">>>" in docstring}


@pytest.fixture
def workplace(daemon: DaemonProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with the files that the page names, and an entity that nobody else uses."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"weights")
    (tmp_path / "images").mkdir()
    for animal in ("cat", "dog"):
        (tmp_path / "images" / f"{animal}.png").write_bytes(animal.encode())
    _defaults.default_client().close()
    monkeypatch.setenv("ARTIFACTD_HOME", str(daemon.home))
    monkeypatch.setenv("ARTIFACTD_ENTITY", f"reader-{os.urandom(4).hex()}")
    yield tmp_path
    artifactd.finish()
    _defaults.default_client().close()


def test_the_page_is_what_the_docstrings_say() -> None:
    assert make_api.is_current(), "run `make docs`"


@pytest.mark.parametrize("title", DOCUMENTED)
def test_everything_public_has_a_docstring(title: str) -> None:
    assert DOCUMENTED[title]


def test_every_public_name_is_on_the_page() -> None:
    page = make_api.PAGE.read_text()
    assert [name for name in artifactd.__all__ if f"`{name}`" not in page and f"# {name}\n" not in page] == []


@pytest.mark.parametrize("member", CALLABLES, ids=lambda member: member.title)
def test_every_public_callable_has_an_example(member: Any) -> None:
    assert member.title in EXAMPLES


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_does_what_it_shows(title: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = "" if title == "the package" else re.sub(r"^(?=.)", ">>> ", make_api.PRELUDE, flags=re.MULTILINE)
    example = doctest.DocTestParser().get_doctest(f"{before}\n{EXAMPLES[title]}", {}, title, None, 0)
    ran = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(example)
    assert not ran.failed, capsys.readouterr().out
