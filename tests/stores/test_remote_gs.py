"""Google's credentials that cannot be used: an error of the request, which never goes out without them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.remote.gs import RemoteGs

ACCOUNT = {"type": "service_account", "client_email": "a@b", "private_key": "nonsense", "private_key_id": "1"}


@pytest.mark.parametrize("contents", [None, {"type": "nonsense"}, {}, ACCOUNT, {"type": "external_account"}])
def test_credentials_that_are_no_credentials_fail_every_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: dict[str, Any] | None
) -> None:
    file = tmp_path / "credentials.json"
    if contents is not None:
        file.write_text(json.dumps({"x": 1, **contents}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    async def ask() -> None:
        remote = RemoteGs({})
        try:
            # The library itself repeats what it signs.
            for _ in range(1 if contents is ACCOUNT else 2):
                with pytest.raises(StoreError, match="credentials") as caught:
                    await remote.head("bucket", "name", "")
                assert caught.value.kind is Kind.DENIED
        finally:
            await remote.aclose()

    asyncio.run(ask())
