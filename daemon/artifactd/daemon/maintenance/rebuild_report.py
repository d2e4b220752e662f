"""What a rebuild has done, and what it found damaged."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["MAX_PROBLEMS", "Report"]

MAX_PROBLEMS = 1_000
"""Problems that are described; those beyond are only counted."""


@dataclass(slots=True)
class Report:
    """Grows while the rebuild goes on. `damaged` counts all problems; `problems` describes the first of them."""

    store: str
    catalog: str
    blobs: int = 0
    records: int = 0
    collections: int = 0
    versions: int = 0
    runs: int = 0
    damaged: int = 0
    problems: list[str] = field(default_factory=list)

    def problem(self, where: str, what: str) -> None:
        """Something was not as it was written, or is missing."""
        self.damaged += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{where}: {what}")

    def as_json(self) -> dict[str, Any]:
        """The object that `docs/rebuild.md` describes."""
        return asdict(self)
