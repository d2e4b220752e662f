"""The journal against a model, over restarts, and what it does with a bad row, a full disk and a stale call."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from blake3 import blake3
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from artifactd.daemon.queue.journal import Journal
from artifactd.daemon.queue.journal_schema import _STEPS, JournalTooNew
from artifactd.daemon.queue.operations import (
    Accept,
    Finish,
    MarkDurable,
    Prune,
    UploadCreated,
    UploadCreating,
    UploadEnded,
    UploadParts,
    UploadSent,
)
from artifactd.daemon.queue.rows import Row
from artifactd.daemon.stores.base import SentPart, UnfinishedUpload
from artifactd.protocol.errors import InvalidRequest, NotAccepted
from artifactd.protocol.states import State

UID = 1000
SECOND = 1_000_000_000


def boottime() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def accept(
    id: bytes | None = None,
    body: bytes = b"body",
    *,
    lane: bytes = b"L" * 16,
    seq: int = 1,
    seconds: float = 60.0,
    uid: int = UID,
    after: bytes | None = None,
) -> Accept:
    return Accept(
        uid=uid,
        id=id or os.urandom(16),
        body=body,
        body_hash=blake3(body).digest(),
        lane=lane,
        seq=seq,
        deadline=boottime() + int(seconds * SECOND),
        after=after,
    )


def write(journal: Journal, operation: Any) -> Any:
    (result,) = journal.write([operation])
    return result.unwrap()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Any:
    opened = Journal(path, boot="this boot")
    yield opened
    opened.close()


def test_what_was_accepted_is_there_after_a_restart(path: Path) -> None:
    first = Journal(path, boot="this boot")
    row = write(first, accept(b"a" * 16))
    first.close()
    second = Journal(path, boot="this boot")
    assert second.unfinished(0, 10) == [row]
    second.close()


def test_positions_ascend_over_restarts_and_refusals(path: Path) -> None:
    first = Journal(path, boot="this boot")
    positions = [write(first, accept(seq=1)).position]
    with pytest.raises(NotAccepted):
        write(first, accept(seq=1))
    positions.append(write(first, accept(seq=2)).position)
    first.close()
    second = Journal(path, boot="this boot")
    positions.append(write(second, accept(seq=3)).position)
    second.close()
    assert positions == sorted(set(positions))


def test_a_resent_submission_is_answered_from_the_journal(journal: Journal) -> None:
    row = write(journal, accept(b"a" * 16, seq=1))
    assert write(journal, accept(b"a" * 16, seq=1, seconds=-1)) == row


def test_a_duplicate_within_one_batch_is_accepted_once(journal: Journal) -> None:
    one, two = journal.write([accept(b"a" * 16, seq=1), accept(b"a" * 16, seq=1)])
    assert one.unwrap() == two.unwrap()
    assert len(journal.unfinished(0, 10)) == 1


def test_the_same_id_with_another_body_is_refused(journal: Journal) -> None:
    write(journal, accept(b"a" * 16, b"one"))
    with pytest.raises(InvalidRequest, match="another artifact"):
        write(journal, accept(b"a" * 16, b"two"))


def test_the_same_id_of_another_user_is_another_submission(journal: Journal) -> None:
    one = write(journal, accept(b"a" * 16, uid=1))
    two = write(journal, accept(b"a" * 16, uid=2))
    assert one.position != two.position


def test_a_call_that_gave_up_is_not_accepted(journal: Journal) -> None:
    with pytest.raises(NotAccepted, match="given up"):
        write(journal, accept(seconds=-0.001))


def test_an_endless_deadline_is_refused(journal: Journal) -> None:
    with pytest.raises(InvalidRequest, match="deadline"):
        write(journal, accept(seconds=8 * 86400))


def test_an_older_call_of_a_lane_is_not_accepted_behind_a_newer_one(journal: Journal) -> None:
    write(journal, accept(seq=5))
    with pytest.raises(NotAccepted, match="newer call"):
        write(journal, accept(seq=4))
    write(journal, accept(seq=1, lane=b"M" * 16))


def test_one_refusal_does_not_undo_the_rest_of_its_batch(journal: Journal) -> None:
    results = journal.write([accept(seq=1), accept(seq=1), accept(seq=2)])
    assert [type(result).__name__ for result in results] == ["Value", "Error", "Value"]
    assert len(journal.unfinished(0, 10)) == 2


def test_after_must_name_a_submission_that_can_still_commit(journal: Journal) -> None:
    with pytest.raises(InvalidRequest, match="does not know"):
        write(journal, accept(seq=1, after=b"x" * 16))
    failed = write(journal, accept(b"f" * 16, seq=2))
    write(journal, Finish(failed.position, State.FAILED, b"why"))
    with pytest.raises(InvalidRequest, match="failed"):
        write(journal, accept(seq=3, after=b"f" * 16))
    write(journal, accept(b"g" * 16, seq=4))
    assert write(journal, accept(seq=5, after=b"g" * 16)).position > failed.position


def test_only_the_first_end_of_a_submission_counts(journal: Journal) -> None:
    row = write(journal, accept(b"a" * 16))
    write(journal, Finish(row.position, State.COMMITTED, b"v0"))
    write(journal, Finish(row.position, State.FAILED, b"late"))
    found = journal.find(UID, b"a" * 16)
    assert found is not None
    assert (found.state, found.result, found.body) == (State.COMMITTED, b"v0", b"")
    assert journal.unfinished(0, 10) == []


def test_a_failed_submission_keeps_its_body(journal: Journal) -> None:
    row = write(journal, accept(b"a" * 16, b"body"))
    write(journal, Finish(row.position, State.FAILED, b"why"))
    found = journal.find(UID, b"a" * 16)
    assert found is not None
    assert found.body == b"body"


def test_a_damaged_row_is_set_aside_and_the_rest_goes_on(path: Path) -> None:
    journal = Journal(path, boot="this boot")
    rows = [write(journal, accept(seq=seq)) for seq in (1, 2, 3)]
    journal.close()
    vandal = apsw.Connection(str(path))
    vandal.execute("UPDATE submissions SET body = ? WHERE position = ?", (b"zzzz", rows[1].position))
    vandal.close()
    journal = Journal(path, boot="this boot")
    assert [row.position for row in journal.unfinished(0, 10)] == [rows[0].position, rows[2].position]
    assert journal.quarantined() == 1
    journal.close()


def test_every_column_of_a_row_is_covered_by_its_checksum(path: Path) -> None:
    damage: dict[str, Any] = {
        "uid": 7,
        "id": b"q" * 16,
        "body": b"x",
        "body_hash": b"x",
        "accepted_at": 1.0,
        "boot": "x",
        "durable": 1,
        "result": b"x",
    }
    for number, (column, value) in enumerate(damage.items()):
        journal = Journal(path, boot="this boot")
        row = write(journal, accept(seq=number + 1))
        journal.close()
        vandal = apsw.Connection(str(path))
        vandal.execute(f"UPDATE submissions SET {column} = ? WHERE position = ?", (value, row.position))
        vandal.close()
        journal = Journal(path, boot="this boot")
        assert journal.unfinished(0, 10) == [], column
        assert journal.quarantined() == number + 1
        journal.close()


def test_a_journal_of_a_newer_release_is_refused(path: Path) -> None:
    Journal(path, boot="this boot").close()
    vandal = apsw.Connection(str(path))
    vandal.pragma("user_version", 99)
    vandal.close()
    with pytest.raises(JournalTooNew, match="99"):
        Journal(path, boot="this boot")


def test_old_results_are_forgotten_and_unfinished_work_is_not(journal: Journal) -> None:
    old = write(journal, accept(b"a" * 16, seq=1))
    write(journal, Finish(old.position, State.COMMITTED, b"v0"))
    write(journal, accept(b"b" * 16, seq=2))
    write(journal, Prune(ended_before=time.time() + 1))
    assert journal.find(UID, b"a" * 16) is None
    assert journal.find(UID, b"b" * 16) is not None


def part(number: int, etag: str = "etag") -> SentPart:
    return SentPart(number, etag, 5 << 20, bytes([number]) * 32)


def parts_of(journal: Journal, key: str) -> list[SentPart]:
    found: list[SentPart] = write(journal, UploadParts(key))
    return found


def test_multipart_uploads_are_remembered_until_they_end(journal: Journal) -> None:
    write(journal, UploadCreating("key"))
    (upload,) = journal.uploads()
    assert (upload.key, upload.upload_id, upload.part_size) == ("key", None, None)
    write(journal, UploadCreated("key", "id", 5 << 20))
    (upload,) = journal.uploads()
    assert (upload.key, upload.upload_id, upload.part_size) == ("key", "id", 5 << 20)
    assert upload.touched_at == pytest.approx(time.time(), abs=60)
    write(journal, UploadEnded("key"))
    assert journal.uploads() == []


def test_the_parts_of_an_upload_are_remembered_until_it_ends(journal: Journal) -> None:
    for key in ("key", "other"):
        write(journal, UploadCreating(key))
        write(journal, UploadCreated(key, "id", 5 << 20))
        write(journal, UploadSent(key, "id", [part(2), part(1)]))
    write(journal, UploadSent("key", "id", [part(2, "sent again")]))
    assert parts_of(journal, "key") == [part(1), part(2, "sent again")]
    write(journal, UploadEnded("key"))
    assert parts_of(journal, "key") == []
    assert parts_of(journal, "other") == [part(1), part(2)]


def test_parts_that_are_noted_too_late_belong_to_nobody(journal: Journal) -> None:
    write(journal, UploadSent("key", "id", [part(1)]))
    write(journal, UploadCreating("key"))
    write(journal, UploadCreated("key", "id", 5 << 20))
    write(journal, UploadSent("key", "an earlier id", [part(1)]))
    assert parts_of(journal, "key") == []


def test_a_journal_of_the_first_release_opens_with_its_uploads(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute(_STEPS[0])
    db.execute("INSERT INTO uploads VALUES ('key', 'id')")
    db.pragma("user_version", 1)
    db.close()
    for _ in range(2):
        journal = Journal(path, boot="this boot")
        assert journal.uploads() == [UnfinishedUpload("key", "id", None, 0.0)]
        journal.close()


def test_the_write_ahead_log_is_really_on_and_syncs_fully(path: Path) -> None:
    journal = Journal(path, boot="this boot")
    assert journal._writer.pragma("journal_mode") == "wal"
    assert journal._writer.pragma("synchronous") == 2
    journal.close()


class JournalMachine(RuleBasedStateMachine):
    """Random operations, batches and restarts; the model is a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "journal.db"
        self.journal = Journal(self.path, boot="this boot")
        self.rows: dict[bytes, Row] = {}
        self.ended: dict[bytes, State] = {}
        self.lanes: dict[bytes, int] = {}

    def teardown(self) -> None:
        self.journal.close()
        self.directory.cleanup()

    @rule(
        batch=st.lists(
            st.tuples(st.integers(0, 15), st.integers(0, 2), st.integers(1, 20), st.booleans()),
            min_size=1,
            max_size=6,
        )
    )
    def accept_batch(self, batch: list[tuple[int, int, int, bool]]) -> None:
        operations = [
            accept(bytes([id]) * 16, b"body %d" % id, lane=bytes([lane]) * 16, seq=seq, seconds=-1 if late else 60)
            for id, lane, seq, late in batch
        ]
        results = self.journal.write(operations)
        for operation, result, (_, _, _, late) in zip(operations, results, batch, strict=True):
            if operation.id in self.rows:
                assert result.unwrap().position == self.rows[operation.id].position
            elif late or operation.seq <= self.lanes.get(operation.lane, -1):
                with pytest.raises(NotAccepted):
                    result.unwrap()
            else:
                row = result.unwrap()
                assert all(row.position > other.position for other in self.rows.values())
                self.rows[operation.id] = row
                self.lanes[operation.lane] = operation.seq

    @rule(id=st.integers(0, 15), state=st.sampled_from([State.COMMITTED, State.FAILED, State.CANCELLED]))
    def finish(self, id: int, state: State) -> None:
        row = self.rows.get(bytes([id]) * 16)
        if row is not None:
            write(self.journal, Finish(row.position, state, b"result"))
            self.ended.setdefault(row.id, state)

    @rule(id=st.integers(0, 15))
    def mark_durable(self, id: int) -> None:
        row = self.rows.get(bytes([id]) * 16)
        if row is not None:
            write(self.journal, MarkDurable(row.position))

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = Journal(self.path, boot="this boot")

    @invariant()
    def unfinished_rows_are_those_that_did_not_end_in_order(self) -> None:
        expected = sorted(row.position for id, row in self.rows.items() if id not in self.ended)
        assert [row.position for row in self.journal.unfinished(0, 100)] == expected
        assert self.journal.quarantined() == 0

    @invariant()
    def ends_stay(self) -> None:
        for id, state in self.ended.items():
            row = self.journal.find(UID, id)
            assert row is not None
            assert row.state is state


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
