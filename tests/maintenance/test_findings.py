"""What makes a finding, and how many of them are kept: plain decisions."""

from __future__ import annotations

import pytest

from artifactd.daemon.catalog import BlobLocation
from artifactd.daemon.maintenance import findings as module
from artifactd.daemon.maintenance.findings import Finding, Findings, Kind, Problem, about_manifest, judge
from artifactd.daemon.stores.base import ObjectInfo

MISSING = Problem(Kind.MISSING_BLOB, "there is no object")


@pytest.mark.parametrize(("size", "kind"), [(7, None), (6, Kind.WRONG_SIZE), (8, Kind.WRONG_SIZE)])
def test_an_object_must_end_where_its_blob_does(size: int, kind: Kind | None) -> None:
    problem = judge(BlobLocation("key", 3, 4), ObjectInfo("key", size))
    assert (problem and problem.kind) == kind


def test_no_object_is_a_missing_blob() -> None:
    assert judge(BlobLocation("key", 0, 0), None) == MISSING


def test_whatever_is_wrong_with_a_blob_can_be_said_of_a_manifest() -> None:
    of_blobs = [Kind.MISSING_BLOB, Kind.WRONG_SIZE, Kind.CORRUPT_BLOB, Kind.UNREADABLE_BLOB]
    kinds = [about_manifest(Problem(kind, "so")).kind for kind in of_blobs]
    assert kinds == [
        Kind.MISSING_MANIFEST,
        Kind.CORRUPT_MANIFEST,
        Kind.CORRUPT_MANIFEST,
        Kind.UNREADABLE_MANIFEST,
    ]


def test_what_is_known_of_a_manifest_replaces_what_was_found_of_its_blob() -> None:
    findings = Findings()
    findings.add(MISSING, "team", "d", "where it is")
    findings.add(MISSING, "other", "d", "elsewhere")
    findings.add(about_manifest(MISSING), "team", "d", "where it would be")
    assert [(finding.kind, finding.entity, finding.key) for finding in findings.kept] == [
        (Kind.MISSING_MANIFEST, "team", "where it is"),
        (Kind.MISSING_BLOB, "other", "elsewhere"),
    ]
    assert findings.total == 2
    assert findings.counts == dict.fromkeys(Kind, 0) | {Kind.MISSING_MANIFEST: 1, Kind.MISSING_BLOB: 1}


def test_a_version_is_noted_with_the_findings_about_its_own_blobs_once() -> None:
    findings = Findings()
    findings.add(MISSING, "team", "d", "key")
    findings.add(MISSING, "team", "e", "key")
    findings.add(MISSING, "other", "d", "key")
    for _ in range(2):
        findings.affect("team", {"d", "f"}, "team/p/n:v0")
    assert [finding.versions for finding in findings.kept] == [["team/p/n:v0"], [], []]


def test_of_many_versions_some_are_named() -> None:
    finding = Finding(Kind.MISSING_BLOB, "team", "d", "key", "gone")
    for number in range(module.MAX_VERSIONS):
        finding.affects(f"v{number}")
    finding.affects("v0")
    assert not finding.more_versions
    finding.affects("one more")
    assert finding.more_versions
    assert finding.versions == [f"v{number}" for number in range(module.MAX_VERSIONS)]


def test_of_many_findings_some_are_kept_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FINDINGS", 3)
    findings = Findings()
    for number in range(3):
        findings.add(MISSING, "team", str(number), "key")
    assert not findings.more
    for number in range(3, 5):
        findings.add(MISSING, "other", str(number), "key")
    assert findings.more
    assert [finding.digest for finding in findings.kept] == ["0", "1", "2"]
    assert findings.counts[Kind.MISSING_BLOB] == findings.total == 5
