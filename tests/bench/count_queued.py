"""Print how many submissions the daemon has that are not finished."""

from __future__ import annotations

import json

from artifactd.client import Client

UNFINISHED = ("accepted", "hashing", "uploading", "ready")
counts = Client().status(limit=1)["submissions"]
print(json.dumps({"queued": sum(counts.get(state, 0) for state in UNFINISHED)}))
