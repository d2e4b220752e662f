"""What a stranger's client may write as a reference."""

from __future__ import annotations

import pytest

from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import DraftReference
from artifactd.protocol.references import check_draft_reference

GOOD = DraftReference("s3://bucket/key", None, (("etag", "x"), ("versionId", "7")), 100)


@pytest.mark.parametrize(
    "reference",
    [
        GOOD,
        GOOD._replace(digest="etag:x", limit=0),
        GOOD._replace(digest="", limit=0),
        GOOD._replace(uri="weird://somewhere", digest=""),
    ],
)
def test_what_our_client_writes_is_taken(reference: DraftReference) -> None:
    check_draft_reference(reference)


@pytest.mark.parametrize(
    "reference",
    [
        GOOD._replace(uri="no scheme"),
        GOOD._replace(uri="https://me:secret@host/x"),
        GOOD._replace(uri="s3://bucket/\n"),
        GOOD._replace(uri="weird://somewhere"),
        GOOD._replace(uri="file:///etc/shadow"),
        GOOD._replace(digest="no algorithm"),
        GOOD._replace(digest="etag:" + "x" * 2_000),
        GOOD._replace(extra=(("versionId", "7"), ("etag", "x"))),
        GOOD._replace(extra=(("etag", "x"), ("etag", "x"))),
        GOOD._replace(extra=tuple((f"{number:02}", "") for number in range(17))),
        GOOD._replace(limit=0),
        GOOD._replace(limit=1 << 40),
    ],
)
def test_anything_else_is_refused(reference: DraftReference) -> None:
    with pytest.raises(InvalidRequest):
        check_draft_reference(reference)
