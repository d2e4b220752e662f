"""The status object that `artifactd status --json` prints: pure, and documented in `docs/status.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from artifactd.daemon.catalog.outbox.taking import Lag
from artifactd.daemon.queue.submissions import Submission
from artifactd.protocol import messages
from artifactd.protocol.states import TERMINAL, State

__all__ = ["Facts", "ServiceFacts", "build"]


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The store or the catalog: `error` is why it does not answer, or None."""

    url: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the daemon knows of itself at one moment. Sizes in bytes, `uptime` in seconds."""

    version: str
    pid: int
    uptime: float
    ended: Mapping[str, int]
    live: Mapping[State, int]
    store: ServiceFacts
    catalog: ServiceFacts
    uploaded_bytes: int
    spool_path: str
    spool_free: int
    spool_reserve: int
    queued_bytes: int
    outbox: Lag


def build(
    facts: Facts,
    live: Sequence[tuple[Submission, str | None]],
    failed: Sequence[messages.Submission],
    *,
    more: bool,
    now: float,
) -> dict[str, Any]:
    """The object: `live` submissions, each with what it waits for, and `failed` ones; `now` is monotonic."""
    counts = {state.value: facts.live.get(state, 0) for state in State if state not in TERMINAL}
    counts |= {state.value: facts.ended.get(state.value, 0) for state in State if state in TERMINAL}
    return {
        "daemon": {"version": facts.version, "pid": facts.pid, "uptime": facts.uptime},
        "submissions": counts,
        "quarantined": facts.ended["quarantined"],
        "items": [_live_item(submission, waiting_for, now) for submission, waiting_for in live]
        + [_failed_item(submission) for submission in failed],
        "more": more,
        "store": _service(facts.store) | {"uploaded_bytes": facts.uploaded_bytes},
        "catalog": _service(facts.catalog),
        "outbox": {"rows": facts.outbox.rows, "age": facts.outbox.seconds},
        "spool": {
            "path": facts.spool_path,
            "used": facts.queued_bytes,
            "free": facts.spool_free,
            "reserve": facts.spool_reserve,
        },
    }


def _service(facts: ServiceFacts) -> dict[str, Any]:
    return {"url": facts.url, "state": "failing" if facts.error else "ok", "error": facts.error}


def _live_item(submission: Submission, waiting_for: str | None, now: float) -> dict[str, Any]:
    elapsed = now - submission.started_at if submission.started_at is not None else 0.0
    return {
        "id": submission.id.hex(),
        "address": submission.collection,
        "type": submission.type,
        "part_of": submission.part_of,
        "state": submission.state.value,
        "position": submission.position,
        "files": submission.files,
        "files_done": submission.files_done,
        "bytes": submission.size,
        "bytes_done": submission.bytes_done,
        "rate": submission.bytes_done / elapsed if elapsed > 0 else None,
        "waiting_for": waiting_for,
        "error": None,
    }


def _failed_item(submission: messages.Submission) -> dict[str, Any]:
    error = submission.error
    return {
        "id": submission.id.hex(),
        "address": f"{submission.entity}/{submission.project}/{submission.name}",
        "type": submission.type,
        "part_of": submission.part_of,
        "state": submission.state,
        "position": None,
        "files": submission.files,
        "files_done": submission.files_done,
        "bytes": submission.size,
        "bytes_done": submission.bytes_done,
        "rate": None,
        "waiting_for": None,
        "error": ": ".join(part for part in (error.subject, error.message) if part) if error else None,
    }
