"""The manifest's file form: canonical, streamed, and unforgiving to what is not one."""

from __future__ import annotations

import io
from collections.abc import Iterable

import msgpack
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from artifactd.protocol import manifest
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import (
    DraftEntry,
    DraftReference,
    Entry,
    Identity,
    Reference,
    check_order,
    digest_of,
)

DIGEST = digest_of(b"\1" * 32)


def packed(entries: Iterable[Entry]) -> bytes:
    return b"".join(manifest.pack_manifest(entries))


paths = st.lists(
    st.text(alphabet="abcé/.", min_size=1, max_size=8).filter(
        lambda path: not {"", ".", ".."} & set(path.split("/")),
    ),
    unique=True,
    max_size=20,
)


@given(paths, st.integers(0, 1 << 50))
def test_entries_come_back_as_they_went_in(names: list[str], size: int) -> None:
    entries = [Entry(path, DIGEST, size) for path in sorted(names, key=str.encode)]
    try:
        list(check_order(entries))
    except InvalidRequest:
        return
    assert list(manifest.read_manifest(io.BytesIO(packed(entries)))) == entries


def test_the_canonical_bytes_never_change() -> None:
    """Version digests of every release depend on these bytes: a new form needs a new magic line."""
    entries = [Entry("a", DIGEST, 1), Entry("b/c", digest_of(b"\2" * 32), 70_000)]
    assert (
        blake3(packed(entries)).hexdigest() == "db99964a8743893f2c768ca77984b9a8d81f3300de5edc6fd9d064e70d6ffa6c"
    )
    referring = [Entry("a", 'etag:"1"', 1, Reference("https://h/a", (("etag", '"1"'),))), entries[1]]
    assert (
        blake3(packed(referring)).hexdigest() == "4299e95c7ba15bcce587194c1d90037597a0d9ab561223e8c6ca36fdee94a728"
    )
    assert blake3(packed([])).hexdigest() == "d74598aacb38941b96b1ecfe9a0496de2ae3ba28782ecda5c346a802d910de82"


def test_references_come_back_as_they_went_in() -> None:
    entries = [
        Entry("a", "", 0, Reference("weird://somewhere", ())),
        Entry("b", "etag:x", 9, Reference("s3://b/k", (("etag", "x"), ("versionId", "7")))),
    ]
    assert list(manifest.read_manifest(io.BytesIO(packed(entries)))) == entries


def test_more_entries_than_a_block_holds_keep_their_order() -> None:
    entries = [Entry(f"{number:08}", DIGEST, number) for number in range(manifest.BLOCK_ENTRIES * 2 + 1)]
    data = packed(entries)
    assert [first for first, _ in manifest.read_blocks(io.BytesIO(data), draft=False)] == [
        "00000000",
        f"{manifest.BLOCK_ENTRIES:08}",
        f"{2 * manifest.BLOCK_ENTRIES:08}",
    ]
    assert list(manifest.read_manifest(io.BytesIO(data))) == entries


def test_drafts_keep_sources_and_identities() -> None:
    entries = [
        DraftEntry("a", 3, b"pack", 4, None),
        DraftEntry("b", 5, b"/data/\xff", 0, Identity(1, 2, 5, 4, 5)),
        DraftEntry("c", 0, b"", 0, None, DraftReference("s3://b/k", None, (("versionId", "7"),), 100)),
    ]
    assert list(manifest.read_draft(io.BytesIO(b"".join(manifest.pack_draft(entries))))) == entries


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["b", "a"], "ascend"),
        (["a", "a"], "ascend"),
        (["a", "a/b"], "both a file and a directory"),
        (["a", "a.txt", "a/b"], "both a file and a directory"),
        (["../x"], "component"),
        (["a\\b"], "backslash"),
        (["/a"], "component"),
    ],
)
def test_paths_out_of_order_or_against_the_rules_are_refused(names: list[str], complaint: str) -> None:
    data = packed(Entry(path, DIGEST, 1) for path in names)
    with pytest.raises(InvalidRequest, match=complaint):
        list(manifest.read_manifest(io.BytesIO(data)))


def test_a_truncated_manifest_is_refused_wherever_it_ends() -> None:
    data = packed([Entry("a", DIGEST, 1), Entry("b", DIGEST, 2)])
    whole = len(b"".join(manifest.pack_manifest([])))
    for end in range(len(data)):
        if end != whole:
            with pytest.raises(InvalidRequest):
                list(manifest.read_manifest(io.BytesIO(data[:end])))


@pytest.mark.parametrize(
    "body",
    [
        msgpack.packb({"a": 1}),
        msgpack.packb([1, 2]),
        msgpack.packb([["a", "md5:abc", 1]]),
        msgpack.packb([["a", DIGEST]]),
        msgpack.packb([["a", "", 1, ["uri"]]]),
        msgpack.packb([["a", "", 1, [7, []]]]),
        msgpack.packb([["a", "", 1, ["uri", [["etag", 7]]]]]),
        msgpack.packb([["a", "", 1, ["uri", []], 5]]),
        b"\xc1",
        b"\x91" * 1000,
    ],
)
def test_a_block_that_is_not_entries_is_refused(body: bytes) -> None:
    data = packed([]) + len(body).to_bytes(4, "big") + (1).to_bytes(4, "big") + b"a" + body
    with pytest.raises(InvalidRequest):
        list(manifest.read_manifest(io.BytesIO(data)))


def test_a_block_that_claims_gigabytes_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidRequest, match="too large"):
        list(manifest.read_manifest(io.BytesIO(packed([]) + b"\xff" * 8)))


@pytest.mark.parametrize(
    "digest", ["", "blake3:", "md5:" + "0" * 64, "blake3:" + "G" * 64, "0" * 64, "blake3:" + "0" * 63]
)
def test_a_digest_names_its_algorithm(digest: str) -> None:
    with pytest.raises(InvalidRequest):
        manifest.digest_hex(digest)
