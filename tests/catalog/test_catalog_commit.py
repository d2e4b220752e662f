"""What one commit promises: numbers, aliases, repetitions and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalog_heads import Delete, digest, make_head
from sqlalchemy import event

from artifactd.daemon.catalog import MAX_HEADS, Catalog, CatalogUnavailable, CommitRefused, Committed, Outcome
from artifactd.daemon.catalog.connecting import connect, parse
from artifactd.protocol.errors import ArtifactNotFound
from artifactd.protocol.messages import GetCollections


def latest(catalog: Catalog, name: str = "model") -> int:
    return catalog.version("team", "vision", name, "latest").version


def test_versions_are_numbered_in_the_order_of_the_heads(catalog: Catalog) -> None:
    results = catalog.commit([make_head(1), make_head(2), make_head(3, name="other"), make_head(4)])
    assert [result.version for result in results if isinstance(result, Committed)] == [0, 1, 0, 2]
    assert latest(catalog) == 2


def test_equal_contents_resolve_to_the_newest_version_and_move_the_aliases_asked_for(catalog: Catalog) -> None:
    catalog.commit([make_head(1, aliases=("best",)), make_head(2)])
    (result,) = catalog.commit([make_head(2, aliases=("best",))])
    assert result == Committed(1, digest(2), created=False, warning=None)
    assert catalog.version("team", "vision", "model", "best").version == 1


def test_contents_of_an_older_version_make_a_new_one(catalog: Catalog) -> None:
    catalog.commit([make_head(1), make_head(2)])
    assert catalog.commit([make_head(1)]) == [Committed(2, digest(1), created=True, warning=None)]


@pytest.mark.parametrize("same_batch", [True, False])
def test_equal_contents_keep_description_metadata_and_tags_with_a_warning(
    catalog: Catalog, same_batch: bool
) -> None:
    first = make_head(1, description="kept", metadata='{"epoch":1}', tags=("a", "b"))
    second = make_head(1, description="lost", metadata='{"epoch":2}', tags=("c",))
    results = (
        catalog.commit([first, second]) if same_batch else [*catalog.commit([first]), *catalog.commit([second])]
    )
    assert isinstance(results[1], Committed)
    assert results[1].warning is not None
    assert "description, metadata, tags" in results[1].warning
    version = catalog.version("team", "vision", "model", "latest")
    assert (version.description, version.metadata, version.tags) == ("kept", '{"epoch":1}', ("a", "b"))


@pytest.mark.parametrize("given", [{}, {"description": "kept", "metadata": '{"epoch":1}', "tags": ("b", "a")}])
def test_equal_contents_warn_of_nothing_when_nothing_else_was_given(
    catalog: Catalog, given: dict[str, object]
) -> None:
    catalog.commit([make_head(1, description="kept", metadata='{"epoch":1}', tags=("a", "b"))])
    assert catalog.commit([make_head(1, **given)]) == [Committed(0, digest(1), created=False, warning=None)]


def test_the_deleted_newest_version_is_not_compared_with_and_its_number_stays_taken(
    catalog: Catalog, delete_version: Delete
) -> None:
    catalog.commit([make_head(1), make_head(2)])
    delete_version("team", "vision", "model", 1)
    assert catalog.commit([make_head(2)]) == [Committed(2, digest(2), created=True, warning=None)]
    delete_version("team", "vision", "model", 2)
    assert catalog.commit([make_head(1)]) == [Committed(3, digest(1), created=True, warning=None)]


def test_a_replayed_no_op_does_not_move_latest_back(catalog: Catalog) -> None:
    no_op = make_head(1, aliases=("best",))
    catalog.commit([make_head(1)])
    first = catalog.commit([no_op])
    catalog.commit([make_head(2, aliases=("best",))])
    assert catalog.commit([no_op]) == first
    assert latest(catalog) == 1
    assert catalog.version("team", "vision", "model", "best").version == 1


def test_a_head_given_twice_in_one_batch_makes_one_version(catalog: Catalog) -> None:
    head = make_head(1)
    results = catalog.commit([head, make_head(2), head])
    assert results[0] == results[2] == Committed(0, digest(1), created=True, warning=None)
    assert latest(catalog) == 1


def test_the_same_id_of_another_user_is_another_submission(catalog: Catalog) -> None:
    head = make_head(1)
    catalog.commit([head])
    assert catalog.commit([replace(head, uid=7, digest=digest(2))]) == [Committed(1, digest(2), True, None)]


def test_an_id_used_again_with_another_body_is_refused_and_leaves_nothing(catalog: Catalog) -> None:
    head = make_head(1)
    catalog.commit([head])
    (result,) = catalog.commit([replace(head, body_hash=b"\1" * 32, name="fresh", type="dataset")])
    assert isinstance(result, CommitRefused)
    assert head.id.hex() in result.reason
    assert [item.name for item in catalog.collections(GetCollections(entity="team")).items] == ["model"]


def test_a_head_of_another_type_is_refused_alone(catalog: Catalog) -> None:
    results = catalog.commit([make_head(1), make_head(2, type="dataset"), make_head(3)])
    assert isinstance(results[1], CommitRefused)
    assert "'model'" in results[1].reason
    assert "'dataset'" in results[1].reason
    assert results[2] == Committed(1, digest(3), created=True, warning=None)


@pytest.mark.parametrize("bad", [{"size": -1}, {"size": 1 << 63}, {"description": "\ud800"}])
def test_a_head_that_the_database_refuses_fails_alone(catalog: Catalog, bad: dict[str, object]) -> None:
    refused = make_head(2, name="typed", type="dataset", **bad)
    results = catalog.commit([make_head(1), refused, make_head(3, name="typed"), make_head(4)])
    assert isinstance(results[1], CommitRefused)
    assert [result.version for result in results if isinstance(result, Committed)] == [0, 0, 1]
    assert catalog.version("team", "vision", "typed", "latest").type == "model"
    assert catalog.outcome(refused.uid, refused.id) is None


def test_the_outcome_is_found_by_user_and_id(catalog: Catalog) -> None:
    head = make_head(1, run="not-known-here")
    catalog.commit([make_head(0), head])
    expected = Outcome(head.body_hash, "team", "vision", "model", "model", 1, digest(1), True, None)
    assert catalog.outcome(head.uid, head.id) == expected
    assert catalog.outcome(head.uid + 1, head.id) is None
    assert catalog.version("team", "vision", "model", "latest").run == "not-known-here"


def test_a_full_disk_changes_nothing_and_the_same_heads_commit_later(sqlite_url: str) -> None:
    Catalog.open(sqlite_url).close()
    writer, reader = connect(parse(sqlite_url))
    limits = [100]
    event.listen(writer, "begin", lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {limits[0]}"))
    catalog = Catalog(writer, reader)
    heads = [make_head(n, metadata=f'{{"pad":"{"x" * 20_000}"}}') for n in range(50)]
    with pytest.raises(CatalogUnavailable, match="full"):
        catalog.commit(heads)
    with pytest.raises(ArtifactNotFound):
        latest(catalog)
    limits[0] = 1 << 30
    assert [result.version for result in catalog.commit(heads) if isinstance(result, Committed)] == list(range(50))
    catalog.close()


def test_more_heads_than_one_transaction_takes_are_a_mistake_of_the_caller(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="1001"):
        catalog.commit([make_head(n) for n in range(MAX_HEADS + 1)])
    assert len(catalog.commit([make_head(n, name=f"c{n}") for n in range(MAX_HEADS)])) == MAX_HEADS
