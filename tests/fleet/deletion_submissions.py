"""The life of a submission: it begins and looks, uploads what is missing, registers it, and commits."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.deletion_model import NEVER, Blob, Daemon, Row, Shared, Step, Submission
from fleet.deletion_world import Omission, World

__all__ = ["Effect", "arrives", "is_accepted", "submission_moves", "uploads"]

Effect = tuple[str, Shared, Daemon]
"""A step of a daemon as a trace tells it, and what is then shared and what the daemon is."""


def submission_moves(shared: Shared, daemon: Daemon, world: World) -> Iterator[Effect]:
    """What a daemon that is up may do next for its submissions."""
    if len(daemon.submissions) < world.submissions:
        yield from _begins(shared, daemon, world)
    for submission in daemon.submissions:
        match submission.step:
            case Step.UPLOADED if is_accepted(submission, daemon, world):
                after = arrives(shared, submission, world)
                then = Step.REGISTERED if world.slow_answers else Step.RELYING
                became = _instead(daemon, submission, Submission(then, submission.begin))
                assert after.row is not None
                yield f"registers it: the row is live, with .{after.row.key}", after, became
            case Step.REGISTERED:
                yield _hears_of_registration(shared, daemon)
            case Step.RELYING if is_accepted(submission, daemon, world):
                what = "a part of a draft" if world.drafts else "a version"
                yield (
                    f"commits {what} with the blob",
                    arrives(shared, submission, world),
                    _instead(daemon, submission),
                )
        # One whose answer is on its way is active until that has come.
        if shared.faults and submission.step is not Step.REGISTERED:
            yield from _is_given_up(shared._replace(faults=shared.faults - 1), daemon, submission, world)


def is_accepted(submission: Submission, daemon: Daemon, world: World) -> bool:
    """Whether the transaction that follows passes the check of the daemon's row."""
    if world.compares_begin and daemon.oldest > submission.begin:
        return False
    if submission.step is Step.UPLOADED:
        unchecked = Omission.NO_GENERATION_AT_REGISTRATION
    else:
        unchecked = Omission.NO_GENERATION_AT_PART if world.drafts else Omission.NO_GENERATION_AT_COMMIT
    return not daemon.fenced or world.omits(unchecked)


def arrives(shared: Shared, submission: Submission, world: World) -> Shared:
    """What is shared once the transaction that follows has been taken."""
    if submission.step is Step.RELYING:
        return shared._replace(drafts=True) if world.drafts else shared._replace(versions=True)
    row = shared.row
    if row is None or (row.blob is Blob.DELETING and not world.omits(Omission.DELETING_KEEPS_KEY)):
        return shared._replace(row=Row(Blob.LIVE, submission.key))
    return shared._replace(row=Row(Blob.LIVE, row.key))


def uploads(shared: Shared, daemon: Daemon, world: World) -> int | None:
    """The key under which the daemon uploads the blob if it looks now; None if it finds it."""
    row = shared.row
    if row is None:
        return daemon.heard if daemon.resumes == NEVER else daemon.resumes
    if row.blob is not Blob.DELETING or world.omits(Omission.DELETING_COUNTS_AS_THERE):
        return None
    return row.key if world.omits(Omission.SAME_KEY_AGAIN) else daemon.heard


def _begins(shared: Shared, daemon: Daemon, world: World) -> Iterator[Effect]:
    """Begin and look, as one step: to begin long before only holds the horizon back for longer."""
    begin = shared.epoch if world.omits(Omission.BEGIN_AT_CURRENT) else daemon.heard
    text = f"begins in epoch {begin}"
    is_uploading = any(other.step in (Step.UPLOADED, Step.REGISTERED) for other in daemon.submissions)
    key = uploads(shared, daemon, world)
    if is_uploading and world.omits(Omission.FOLLOWER_DOES_NOT_LOOK):
        yield f"{text}, and waits for the upload", shared, _also(daemon, Submission(Step.WAITING, begin))
    elif key is None:
        relying = _also(daemon, Submission(Step.RELYING, begin))
        yield f"{text}, {_relied_on(shared, world)}", _cleared(shared, world), relying
    elif not is_uploading and (key in shared.objects or len(shared.objects) < world.objects):
        # One PUT at a time; who waits for it has not begun, as far as this model goes.
        found = "no row" if shared.row is None else "the blob being deleted"
        after = shared._replace(objects=tuple(sorted({*shared.objects, key})))
        uploaded = _also(daemon._replace(resumes=NEVER), Submission(Step.UPLOADED, begin, key))
        how = "uploads" if daemon.resumes == NEVER else "goes on uploading"
        yield f"{text}, finds {found} and {how} .{key}", after, uploaded


def _relied_on(shared: Shared, world: World) -> str:
    assert shared.row is not None
    found = {Blob.LIVE: "live", Blob.CONDEMNED: "condemned", Blob.DELETING: "being deleted"}[shared.row.blob]
    cleared = ", makes it live" if _cleared(shared, world) != shared else ""
    return f"finds the blob {found}{cleared} and relies on it"


def _cleared(shared: Shared, world: World) -> Shared:
    row = shared.row
    if row is None or row.blob is not Blob.CONDEMNED or world.omits(Omission.CONDEMNED_COUNTS_AS_LIVE):
        return shared
    return shared._replace(row=Row(Blob.LIVE, row.key))


def _hears_of_registration(shared: Shared, daemon: Daemon) -> Effect:
    # With no omission nobody waits: the others look for themselves.
    waiting = any(other.step is Step.WAITING for other in daemon.submissions)
    relying = sorted(
        other._replace(step=Step.RELYING) if other.step in (Step.WAITING, Step.REGISTERED) else other
        for other in daemon.submissions
    )
    text = "hears of the registration, and both rely on it" if waiting else "hears of the registration"
    return text, shared, daemon._replace(submissions=tuple(relying))


def _is_given_up(shared: Shared, daemon: Daemon, submission: Submission, world: World) -> Iterator[Effect]:
    text = f"gives up its submission of epoch {submission.begin}"
    became = _instead(daemon, submission)
    if submission.step is Step.UPLOADED:
        # The upload is anybody's again.
        others = tuple(other for other in became.submissions if other.step is not Step.WAITING)
        became = became._replace(submissions=others)
    yield text, shared, became
    forgets = world.omits(Omission.FORGOTTEN_IN_FLIGHT) and submission.step is not Step.WAITING
    if forgets and not daemon.late and is_accepted(submission, daemon, world):
        name = "registration" if submission.step is Step.UPLOADED else "commit"
        yield f"{text}, whose {name} is on its way", shared, became._replace(late=(submission,))


def _also(daemon: Daemon, submission: Submission) -> Daemon:
    return daemon._replace(submissions=tuple(sorted((*daemon.submissions, submission))))


def _instead(daemon: Daemon, submission: Submission, *replaced: Submission) -> Daemon:
    others = list(daemon.submissions)
    others.remove(submission)
    return daemon._replace(submissions=tuple(sorted((*others, *replaced))))
