"""Which parts of a resumed upload may stay on the server."""

from __future__ import annotations

import pytest

from artifactd.daemon.stores.base import SentPart
from artifactd.daemon.stores.s3.resume import StoredPart, Verdict, judge

SIZE, CRC, PREFIX = 100, 7, b"p" * 32
NOTED = SentPart(1, '"etag"', SIZE, PREFIX)


@pytest.mark.parametrize(
    ("stored", "noted", "verdict"),
    [
        pytest.param(None, NOTED, Verdict.SEND, id="the server is believed over the journal"),
        pytest.param(StoredPart('"etag"', 99, CRC), NOTED, Verdict.SEND, id="another size"),
        pytest.param(StoredPart('"etag"', SIZE, None), NOTED, Verdict.KEEP, id="as noted"),
        pytest.param(
            StoredPart('"etag"', SIZE, CRC),
            SentPart(1, '"etag"', SIZE, b"q" * 32),
            Verdict.SEND,
            id="the source changed, and a checksum that is easily forged does not say otherwise",
        ),
        pytest.param(StoredPart('"other"', SIZE, CRC), NOTED, Verdict.KEEP, id="sent again, checksum right"),
        pytest.param(StoredPart('"other"', SIZE, 8), NOTED, Verdict.SEND, id="sent again, checksum wrong"),
        pytest.param(StoredPart('"etag"', SIZE, CRC), None, Verdict.KEEP, id="never noted, checksum right"),
        pytest.param(StoredPart('"etag"', SIZE, 8), None, Verdict.SEND, id="never noted, checksum wrong"),
        pytest.param(StoredPart('"etag"', SIZE, None), None, Verdict.COMPARE_MD5, id="never noted, no checksum"),
    ],
)
def test_a_part_stays_only_if_it_holds_the_bytes_of_the_source(
    stored: StoredPart | None, noted: SentPart | None, verdict: Verdict
) -> None:
    assert judge(stored, noted, SIZE, CRC, PREFIX) is verdict
