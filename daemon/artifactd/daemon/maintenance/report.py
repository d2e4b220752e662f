"""What a check of the catalog against the store has looked at and found, so far or in the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from artifactd.daemon.maintenance.findings import Findings

__all__ = ["Checked", "Report"]


@dataclass(slots=True)
class Checked:
    """How much was looked at; sizes in bytes.

    `read` counts what was read of blobs, twice where something was wrong. `orphans` are objects that no row of the
    catalog names.
    """

    blobs: int = 0
    bytes: int = 0
    read: int = 0
    versions: int = 0
    entries: int = 0
    orphans: int = 0
    orphan_bytes: int = 0


@dataclass(slots=True)
class Report:
    """A check. `catalog` and `store` are URLs that may be shown; `complete` once it has come to its end."""

    catalog: str
    store: str
    read_data: bool
    complete: bool = False
    checked: Checked = field(default_factory=Checked)
    findings: Findings = field(default_factory=Findings)
