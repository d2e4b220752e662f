"""How a program ends, as far as it can be known."""

from __future__ import annotations

import sys

import pytest

from artifactd.client import _exit


@pytest.mark.parametrize("at_a_prompt", [False, True])
def test_an_unhandled_exception_fails_the_program_unless_it_goes_on_at_a_prompt(
    monkeypatch: pytest.MonkeyPatch, at_a_prompt: bool
) -> None:
    monkeypatch.setattr(_exit, "_failed", False)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    if not at_a_prompt:
        monkeypatch.delattr(sys, "ps1")
    shown: list[object] = []
    error = ValueError("it went wrong")
    _exit._noting_exceptions(lambda *seen: shown.append(seen))(ValueError, error, None)
    assert shown == [(ValueError, error, None)]
    assert _exit.failed() is not at_a_prompt
