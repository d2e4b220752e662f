"""What `artifactd verify` prints: an object for programs, lines for people and pipes, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from artifactd.daemon.console import plain
from artifactd.daemon.maintenance.findings import Finding
from artifactd.daemon.maintenance.report import Report

__all__ = ["as_json", "as_lines", "as_text", "in_bytes", "progress"]

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def as_json(report: Report) -> dict[str, Any]:
    """The object that `docs/verify.md` describes."""
    return {
        "catalog": report.catalog,
        "store": report.store,
        "read_data": report.read_data,
        "complete": report.complete,
        "checked": asdict(report.checked),
        "counts": {str(kind): count for kind, count in report.findings.counts.items()},
        "findings": [asdict(finding) for finding in report.findings.kept],
        "more": report.findings.more,
    }


def as_lines(report: Report) -> Iterator[str]:
    """For programs: a line for each finding, then the summary, with tabs between the fields."""
    for finding in report.findings.kept:
        versions = ",".join(_versions(finding)) or "-"
        fields = (finding.kind, finding.entity, finding.digest, finding.key, finding.found, versions)
        yield "\t".join(plain(field) for field in fields)
    for name, value in _summary(report):
        yield f"{name}\t{value}"


def as_text(report: Report) -> Iterator[str]:
    """For people: a line for each finding, then the summary."""
    for finding in report.findings.kept:
        affected = f"; needed by {', '.join(names)}" if (names := _versions(finding)) else ""
        yield plain(f"{finding.kind}  {finding.digest} at {finding.key}: {finding.found}{affected}")
    if report.findings.kept:
        yield ""
    pairs = list(_summary(report))
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        yield f"{name:{width}}  {value}"


def progress(report: Report) -> str:
    """What was looked at so far, in a line."""
    checked, found = report.checked, report.findings.total
    read = f", {in_bytes(checked.read)} read" if report.read_data else ""
    return f"{checked.blobs:,} blobs{read}, {checked.versions:,} versions, {found:,} findings"


def _summary(report: Report) -> Iterator[tuple[str, str]]:
    checked, findings = report.checked, report.findings
    yield "catalog", plain(report.catalog)
    yield "store", plain(report.store)
    read = f", {in_bytes(checked.read)} read" if report.read_data else ""
    yield "blobs", f"{checked.blobs:,} of {in_bytes(checked.bytes)}{read}"
    yield "versions", f"{checked.versions:,} with {checked.entries:,} entries"
    yield "orphans", f"{checked.orphans:,} objects of {in_bytes(checked.orphan_bytes)} that no row names"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in findings.counts.items() if count)
    unseen = f" (the first {len(findings.kept):,} are listed)" if findings.more else ""
    yield "findings", (counts or "none") + unseen
    if not report.complete:
        yield "verdict", "not everything was looked at"
    elif findings.total:
        yield "verdict", "something is wrong: docs/verify.md says what to do for each kind"
    else:
        yield "verdict", "all is well"


def _versions(finding: Finding) -> list[str]:
    return [*finding.versions, "…"] if finding.more_versions else finding.versions


def in_bytes(count: int) -> str:
    if count < 1 << 10:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, len(_UNITS))
    return f"{count / (1 << 10 * power):.1f} {_UNITS[power - 1]}"
