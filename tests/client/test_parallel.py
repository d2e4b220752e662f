"""Upserts and finishes as the client sends them, or refuses to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from blake3 import blake3
from fake_daemon import FakeDaemon

from artifactd.client import Artifact, Client, ProtocolMismatch
from artifactd.client._parallel import id_of_group
from artifactd.protocol.messages import Submit
from artifactd.protocol.names import check_scope


@pytest.mark.parametrize("call", [Client.upsert_artifact, Client.finish_artifact])
def test_a_daemon_that_knows_no_drafts_is_sent_nothing_that_it_would_take_for_a_log(
    daemon: FakeDaemon, client: Client, call: Callable[..., object]
) -> None:
    with pytest.raises(ProtocolMismatch, match="drafts"):
        call(client, Artifact("model", "model"), "d")
    assert not any(isinstance(message, Submit) for _, message in daemon.received)


def test_a_group_of_any_text_stands_for_an_id_and_no_two_for_the_same() -> None:
    assert id_of_group("night-7") == "night-7"
    assert id_of_group(None) is id_of_group("") is None
    groups = ["sweep 1/2", "sweep 1:2", "sweep-1-2", "Übung", "..", "x" * 1000, "x" * 1001, "\ud800"]
    ids = [id_of_group(group) for group in groups]
    assert len(set(ids)) == len(groups)
    assert [check_scope(id, "distributed id") for id in ids] == ids
    assert ids[0] == "sweep-1-2-" + blake3(b"sweep 1/2").hexdigest()[:16]
