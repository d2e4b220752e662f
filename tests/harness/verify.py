"""The one verification of every end-to-end test: what clients were promised against what there is at the end."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from artifactd.client import ArtifactdError, ArtifactNotFound, Client
from harness.contents import contents
from harness.daemon import DaemonProcess
from harness.ledger import Call

__all__ = ["Found", "Kind", "Violation", "judge", "read_versions", "verify", "verify_fleet"]

_WAIT_SECONDS = 60.0
_UNCERTAIN = frozenset({"unavailable"})
"""Errors after which a submission may have been accepted."""


class Kind(StrEnum):
    LOST = "lost"
    DUPLICATE = "duplicate"
    INVERTED = "inverted"
    DAMAGED = "damaged"
    LEFT_BEHIND = "left behind"


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """A version as the catalog has it; `token` says which call's artifact its metadata claim it is."""

    collection: str
    number: int
    token: str


def judge(*nodes: Sequence[Call], found: Sequence[Found]) -> list[Violation]:
    """Compare the calls on each node with the versions: nothing lost, nothing twice, nothing out of thin air.

    No number is missing, and on each node none is newer than another that began after it had been accepted.
    """
    calls = [call for node in nodes for call in node]
    known = {call.token: call for call in calls}
    collections: dict[str, list[Found]] = {}
    for version in sorted(found, key=lambda version: version.number):
        collections.setdefault(version.collection, []).append(version)
    return [
        *_losses(calls, found),
        *_surplus(known, found),
        *(violation for versions in collections.values() for violation in _gaps(versions)),
        *(
            violation
            for node in nodes
            for versions in collections.values()
            for violation in _disorder({call.token: call for call in node}, versions)
        ),
    ]


def _losses(calls: Sequence[Call], found: Sequence[Found]) -> Iterable[Violation]:
    there = {(version.collection, version.token) for version in found}
    for call in calls:
        if call.id is not None and (call.collection, call.token) not in there:
            yield Violation(Kind.LOST, f"{call.token} was accepted for {call.collection}, and has no version")


def _surplus(known: Mapping[str, Call], found: Sequence[Found]) -> Iterable[Violation]:
    for token, times in Counter(version.token for version in found).items():
        call = known.get(token)
        if times > 1:
            yield Violation(Kind.DUPLICATE, f"{token} has {times} versions")
        if call is None or (call.error is not None and call.error not in _UNCERTAIN):
            yield Violation(Kind.DUPLICATE, f"{token} has a version, but was never accepted")


def _gaps(versions: Sequence[Found]) -> Iterable[Violation]:
    numbers = [version.number for version in versions]
    if numbers != list(range(len(numbers))):
        yield Violation(Kind.LOST, f"the versions of {versions[0].collection} are not contiguous: {numbers}")


def _disorder(known: Mapping[str, Call], versions: Sequence[Found]) -> Iterable[Violation]:
    calls = [known[version.token] for version in versions if version.token in known]
    for earlier, later in _overtaken(calls):
        yield Violation(Kind.INVERTED, f"{later.token} was accepted before {earlier.token} began, and is newer")
    last: dict[str, Call] = {}
    for call in calls:
        before = last.setdefault(call.client, call)
        if call.number < before.number:
            yield Violation(Kind.INVERTED, f"{call.token} is newer than {before.token} of the same client")
        last[call.client] = call


def _overtaken(calls: Sequence[Call]) -> Iterable[tuple[Call, Call]]:
    """Pairs in version order of which the second had been accepted before the first began."""
    first: tuple[int, Call] | None = None
    for call in reversed(calls):
        if first is not None and first[0] < call.began:
            yield call, first[1]
        if call.id is not None and call.returned is not None and (first is None or call.returned < first[0]):
            first = call.returned, call


def verify(daemon: DaemonProcess, calls: Sequence[Call]) -> list[Violation]:
    """Wait for everything that `calls` were promised, then judge, download and compare every version.

    The daemon runs, and no client does any more. It may have handled nothing but these calls.
    """
    return verify_fleet([(daemon, calls)])


def verify_fleet(nodes: Sequence[tuple[DaemonProcess, Sequence[Call]]]) -> list[Violation]:
    """`verify` of daemons that share catalog and store, each with the calls that were made to it."""
    failures = [violation for node in nodes for violation in _await_all(*node)]
    calls = [call for _, node in nodes for call in node]
    with nodes[0][0].client() as client:
        found = [
            version
            for name in sorted({call.collection for call in calls})
            for version in read_versions(client, name)
        ]
        known = {call.token: call for call in calls}
        damages = [
            violation
            for version in found
            if version.token in known
            for violation in _download(client, version, known[version.token])
        ]
    left = [violation for node in nodes for violation in _left_behind(*node)]
    return [*failures, *judge(*(node for _, node in nodes), found=found), *damages, *left]


def _await_all(daemon: DaemonProcess, calls: Sequence[Call]) -> list[Violation]:
    with daemon.client() as client:
        return [violation for call in calls if call.id for violation in _await(client, call)]


def _await(client: Client, call: Call) -> Iterable[Violation]:
    assert call.id is not None
    try:
        artifact = client.handle(call.id).wait(_WAIT_SECONDS)
    except ArtifactdError as error:
        yield Violation(Kind.LOST, f"{call.token} was accepted: {error}")
        return
    if artifact.metadata.get("token") != call.token:
        yield Violation(Kind.DAMAGED, f"the handle of {call.token} names {artifact.name}, of {artifact.metadata}")


def read_versions(client: Client, collection: str) -> list[Found]:
    """The versions of a collection, newest first; none if there is no such collection."""
    try:
        return [
            Found(collection, version.version, json.loads(version.metadata)["token"])
            for version in client.versions(collection)
        ]
    except ArtifactNotFound:
        return []


def _download(client: Client, version: Found, call: Call) -> Iterable[Violation]:
    with tempfile.TemporaryDirectory(prefix="artifactd-verify-") as root:
        try:
            client.use_artifact(f"{version.collection}:v{version.number}").download(root)
        except ArtifactdError as error:
            yield Violation(Kind.DAMAGED, f"{version} cannot be downloaded: {error}")
            return
        files = {
            str(path.relative_to(root)): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()
        }
        if files != contents(call.token, call.shape):
            yield Violation(Kind.DAMAGED, f"{version} has other contents than were logged")


def _left_behind(daemon: DaemonProcess, calls: Sequence[Call]) -> Iterable[Violation]:
    with daemon.client() as client:
        status = client.status()
    remains = [item for item in status["items"] if item["state"] != "failed"]
    remains += ["a quarantined row"] * status["quarantined"]
    remains += daemon.place.left_behind()
    remains += daemon.uncleaned({call.id for call in calls if call.id})
    for what in remains:
        yield Violation(Kind.LEFT_BEHIND, str(what))
