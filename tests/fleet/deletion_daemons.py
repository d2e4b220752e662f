"""The life of a daemon: heartbeats, crashes, and what it does when it hears that it was fenced."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.deletion_model import NEVER, Daemon, Shared, Step
from fleet.deletion_submissions import Effect, arrives, is_accepted, submission_moves, uploads
from fleet.deletion_world import Omission, World

__all__ = ["daemon_moves"]


def daemon_moves(shared: Shared, daemon: Daemon, world: World) -> Iterator[Effect]:
    """All that the daemon may do next, or that may happen to it."""
    if not daemon.up:
        yield _starts(shared, daemon, world)
    elif daemon.fenced:
        yield _opens_anew(shared, daemon, world)
    else:
        yield from _heartbeat(shared, daemon, world)
    if daemon.up:
        yield from submission_moves(shared, daemon, world)
    for submission in daemon.late:
        name = "registration" if submission.step is Step.UPLOADED else "commit"
        is_taken = is_accepted(submission, daemon, world)
        after = arrives(shared, submission, world) if is_taken else shared
        text = f"has a late {name}, which {'arrives' if is_taken else 'is refused'}"
        yield text, after, daemon._replace(late=())
    if shared.faults:
        worse = shared._replace(faults=shared.faults - 1)
        if daemon.up:
            yield from _crashes(worse, daemon, world)
        if not daemon.fenced:
            yield "is fenced", worse, _bumped(daemon, world)._replace(fenced=True, oldest=NEVER)


def _heartbeat(shared: Shared, daemon: Daemon, world: World) -> Iterator[Effect]:
    if daemon.answer != NEVER:
        yield f"hears epoch {daemon.answer}", shared, daemon._replace(heard=daemon.answer, answer=NEVER)
        return
    known = shared.epoch if world.omits(Omission.HEARTBEAT_SAYS_CURRENT) else daemon.heard
    oldest = min([known, *(submission.begin for submission in daemon.submissions)])
    if not world.slow_answers:
        heard = daemon._replace(oldest=oldest, heard=shared.epoch)
        yield f"publishes {oldest} and hears epoch {shared.epoch}", shared, heard
    else:
        published = daemon._replace(oldest=oldest)
        yield f"publishes {oldest}, and the answer is lost", shared, published
        yield f"publishes {oldest}", shared, published._replace(answer=shared.epoch)


def _crashes(shared: Shared, daemon: Daemon, world: World) -> Iterator[Effect]:
    down = daemon._replace(up=False, heard=NEVER, answer=NEVER, submissions=())
    yield "crashes", shared, down
    key = uploads(shared, daemon, world)
    if key is not None and world.omits(Omission.RESUMED_KEY):
        yield f"crashes while it uploads .{key}", shared, down._replace(resumes=key)
    elif key is not None and shared.late_put == NEVER:
        yield f"crashes while it uploads .{key}", shared._replace(late_put=key), down
    for submission in daemon.submissions:
        if not daemon.late and is_accepted(submission, daemon, world):
            if submission.step is Step.UPLOADED:
                yield "crashes, and its registration is on its way", shared, down._replace(late=(submission,))
            elif submission.step is Step.RELYING:
                yield "crashes, and its commit is on its way", shared, down._replace(late=(submission,))


def _starts(shared: Shared, daemon: Daemon, world: World) -> Effect:
    if world.omits(Omission.STARTED_IN_TWO_STEPS):
        if daemon.heard == NEVER:
            return (
                f"is about to start, and hears epoch {shared.epoch}",
                shared,
                daemon._replace(heard=shared.epoch),
            )
        opened = _opened(shared, _bumped(daemon, world))._replace(oldest=daemon.heard, heard=daemon.heard)
        return f"starts, and publishes {daemon.heard}", shared, opened
    bumped = daemon if world.omits(Omission.RESTART_KEEPS_GENERATION) else _bumped(daemon, world)
    return f"starts, and hears epoch {shared.epoch}", shared, _opened(shared, bumped)


def _opens_anew(shared: Shared, daemon: Daemon, world: World) -> Effect:
    kept = daemon.submissions if world.omits(Omission.REOPENED_GOES_ON) else ()
    opened = _opened(shared, _bumped(daemon, world))._replace(submissions=kept)
    return f"hears that it is fenced, opens anew and hears epoch {shared.epoch}", shared, opened


def _opened(shared: Shared, daemon: Daemon) -> Daemon:
    return daemon._replace(up=True, fenced=False, oldest=shared.epoch, heard=shared.epoch, answer=NEVER)


def _bumped(daemon: Daemon, world: World) -> Daemon:
    """With a new generation: what is late and compares it will be refused, so that it may be forgotten now."""
    fenced = daemon._replace(fenced=True)
    return daemon._replace(late=tuple(late for late in daemon.late if is_accepted(late, fenced, world)))
