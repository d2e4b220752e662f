"""Credentials of the test's own, and nothing of the user's."""

from __future__ import annotations

import pytest

from servers.process import S3Server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in S3Server("", "any", "anything").environ.items():
        monkeypatch.setenv(name, value)
