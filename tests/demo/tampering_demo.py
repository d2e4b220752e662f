"""The demo with a lie planted: while the daemon is dead, two versions of one model change their metadata."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from artifactd.client.demo.__main__ import main
from artifactd.client.demo.daemon import Daemon


class TamperedDaemon(Daemon):
    def kill(self) -> int:
        status = super().kill()
        _swap_two_epochs(self._home / "catalog.db")
        return status


def _swap_two_epochs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as catalog, catalog:
        (collection,) = catalog.execute("SELECT id FROM collections WHERE type = 'model' LIMIT 1").fetchone()
        catalog.execute(
            "UPDATE versions SET metadata = (SELECT other.metadata FROM versions AS other "
            "WHERE other.collection_id = versions.collection_id AND other.number = 1 - versions.number) "
            "WHERE collection_id = ? AND number IN (0, 1)",
            (collection,),
        )


if __name__ == "__main__":
    import artifactd.client.demo.story as story

    story.Daemon = TamperedDaemon  # type: ignore[misc]
    sys.exit(main())
