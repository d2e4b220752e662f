"""Every object that the daemon writes lies below its entity's prefix: policies rely on it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import artifactd.daemon.app
from artifactd.daemon.stores.base import check_key
from artifactd.daemon.stores.keys import blob_key
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.manifest import digest_of
from artifactd.protocol.names import check_entity

DAEMON = Path(artifactd.daemon.app.__file__).parent
NASTY = st.text(st.sampled_from("./\\\0 a\u2024\uff0f%"), max_size=6) | st.text(max_size=200)


@given(entity=NASTY, raw=st.binary(min_size=32, max_size=32))
def test_an_entity_that_passes_the_rules_is_the_first_component_of_its_keys(entity: str, raw: bytes) -> None:
    try:
        check_entity(entity)
    except InvalidRequest:
        return
    key = check_key("put", blob_key(entity, digest_of(raw)))
    first, blobs, *rest = key.split("/")
    assert (first, blobs) == (entity, "blobs")
    assert [len(part) for part in rest] == [2, 62]


@pytest.mark.parametrize("digest", ["", "blake3:", "blake3:../../../etc", "md5:" + "0" * 64, "blake3:" + "0" * 63])
def test_a_digest_that_is_none_makes_no_key(digest: str) -> None:
    with pytest.raises(InvalidRequest):
        blob_key("ada", digest)


def test_nobody_puts_but_the_uploader_under_keys_of_blobs_and_the_delivery_under_those_of_records() -> None:
    puts = {
        (path.relative_to(DAEMON).as_posix(), ast.unparse(call.args[0]))
        for path in DAEMON.rglob("*.py")
        if "stores" not in path.relative_to(DAEMON).parts
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("put", "put_batch")
    }
    assert puts == {
        ("pipeline/uploader.py", "key"),
        ("pipeline/uploader.py", "[(key, data) for key, _, data in pending]"),
        ("pipeline/delivery.py", "key"),
        ("pipeline/delivery.py", "small"),
    }
