"""Reading back what a client handed over."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

from xxhash import xxh3_128_digest

from artifactd.protocol.manifest import DraftEntry, check_order, read_draft
from artifactd.protocol.messages import Submit


def drafted(spool: Path, submit: Submit) -> list[DraftEntry]:
    """The drafted entries of a submission, wherever they travelled."""
    if submit.manifest is not None:
        data = submit.manifest
    else:
        assert submit.manifest_file is not None
        data = (spool / submit.id.hex() / submit.manifest_file.name).read_bytes()
        assert len(data) == submit.manifest_file.size
        assert xxh3_128_digest(data) == submit.manifest_file.xxh3
    return list(check_order(read_draft(BytesIO(data))))


def contents(spool: Path, submit: Submit) -> dict[str, bytes]:
    """What the daemon would store: the bytes of every entry by path."""
    found = {}
    for entry in drafted(spool, submit):
        place = os.fsdecode(entry.source)
        source = Path(place) if entry.identity else spool / submit.id.hex() / place
        found[entry.path] = source.read_bytes()[entry.offset : entry.offset + entry.size]
    return found
