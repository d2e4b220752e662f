"""Upserts and finishes as the client sends them, or refuses to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_daemon import FakeDaemon

from artifactd.client import Artifact, Client, ProtocolMismatch
from artifactd.protocol.messages import Submit


@pytest.mark.parametrize("call", [Client.upsert_artifact, Client.finish_artifact])
def test_a_daemon_that_knows_no_drafts_is_sent_nothing_that_it_would_take_for_a_log(
    daemon: FakeDaemon, client: Client, call: Callable[..., object]
) -> None:
    with pytest.raises(ProtocolMismatch, match="drafts"):
        call(client, Artifact("model", "model"), "d")
    assert not any(isinstance(message, Submit) for _, message in daemon.received)
