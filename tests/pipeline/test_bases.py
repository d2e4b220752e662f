"""Reading the manifest of the version that a draft started from: verified, and through the store's faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from blake3 import blake3

from artifactd.daemon.catalog.catalog import Catalog
from artifactd.daemon.catalog.records import BlobLocation, Head
from artifactd.daemon.pipeline.bases import Bases
from artifactd.daemon.pipeline.catalog_calls import CatalogCalls
from artifactd.daemon.pipeline.health import Health
from artifactd.daemon.pipeline.manifest_files import ManifestFiles
from artifactd.daemon.stores.base import Kind, StoreError
from artifactd.daemon.stores.memory import MemoryStore
from artifactd.protocol.errors import ArtifactFailed
from artifactd.protocol.manifest import Entry, digest_of, pack_manifest, read_manifest

ENTRY = Entry("a", f"blake3:{1:064x}", 5)
MANIFEST = b"".join(pack_manifest([ENTRY]))
DIGEST = digest_of(blake3(MANIFEST).digest())
KEY = "e/blobs/manifest"


class FaultyStore(MemoryStore):
    """Has the manifest; its next reads fail, or give other bytes, as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[StoreError | bytes] = []

    async def get(self, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
        fault = self.faults.pop(0) if self.faults else MANIFEST
        if isinstance(fault, StoreError):
            raise fault
        return os.write(fd, fault)


class Witness:
    """Takes down why it had to wait."""

    def __init__(self) -> None:
        self.reasons: list[str | None] = []

    def uploading(self) -> None:
        raise AssertionError("nothing is uploaded")

    def waiting(self, reason: str | None) -> None:
        self.reasons.append(reason)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    head = Head(
        uid=1000,
        id=b"h" * 16,
        body_hash=b"\0" * 32,
        entity="e",
        project="p",
        name="n",
        type="t",
        digest=DIGEST,
        size=5,
        files=1,
        aliases=(),
        tags=(),
        description=None,
        metadata="{}",
        run=None,
        accepted_at=0.0,
    )
    catalog.commit([head])
    yield catalog
    catalog.close()


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore()


@pytest.fixture
def bases(catalog: Catalog, store: FaultyStore, tmp_path: Path) -> Bases:
    catalog.register_blobs([("e", DIGEST, BlobLocation(KEY, 0, len(MANIFEST)))])
    return Bases(store, catalog, CatalogCalls(Health("catalog", "")), ManifestFiles(tmp_path))


async def opened(bases: Bases, witness: Witness, number: int = 0) -> list[Entry]:
    with await bases.open("e", ("p", "n", number), witness) as file:
        file.seek(0)
        return list(read_manifest(file))


async def test_a_store_that_is_away_or_gives_other_bytes_once_only_costs_time(
    bases: Bases, store: FaultyStore, autojump_clock: trio.testing.MockClock
) -> None:
    away = StoreError(Kind.TRANSIENT, "get", KEY, "it is away")
    store.faults = [away, MANIFEST + b"more"]
    witness = Witness()
    assert await opened(bases, witness) == [ENTRY]
    assert witness.reasons[0] == "the store: it is away"
    assert (len(witness.reasons), witness.reasons[-1]) == (3, None)


async def test_a_manifest_that_is_not_what_its_digest_says_is_given_up(
    bases: Bases, store: FaultyStore, autojump_clock: trio.testing.MockClock
) -> None:
    store.faults = [MANIFEST.replace(b"a", b"b")] * 10
    with pytest.raises(ArtifactFailed, match="not what its digest says"):
        await opened(bases, Witness())


async def test_a_version_that_is_gone_and_blobs_that_are_lost_fail_it(bases: Bases, catalog: Catalog) -> None:
    with pytest.raises(ArtifactFailed, match="gone"):
        await opened(bases, Witness(), 7)
    assert set(await bases.locate("e", {DIGEST}, "base")) == {DIGEST}
    for entity, digest in (("other", DIGEST), ("e", ENTRY.digest)):
        with pytest.raises(ArtifactFailed, match=f"lost {digest}"):
            await bases.locate(entity, {DIGEST, digest} if entity == "e" else {digest}, "base")
