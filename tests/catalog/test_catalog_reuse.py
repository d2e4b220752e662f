"""Heads that ask for any version with the same contents: what `use_artifact` of an unlogged artifact sends."""

from __future__ import annotations

import pytest
from catalog_heads import Delete, digest, make_head

from artifactd.daemon.catalog import Catalog, CommitRefused, Committed
from artifactd.protocol.messages import GetRunVersions


def numbers(results: list[Committed | CommitRefused]) -> list[tuple[int, bool]]:
    return [(result.version, result.created) for result in results if isinstance(result, Committed)]


def aliases(catalog: Catalog, number: int) -> tuple[str, ...]:
    return catalog.version("team", "vision", "model", f"v{number}").aliases


def test_any_live_version_with_the_same_contents_is_taken_the_newest_of_them(catalog: Catalog) -> None:
    catalog.commit([make_head(1), make_head(2), make_head(1), make_head(3)])
    assert numbers(catalog.commit([make_head(1, reuse=True), make_head(2, reuse=True)])) == [
        (2, False),
        (1, False),
    ]
    assert numbers(catalog.commit([make_head(3, reuse=True)])) == [(3, False)]


def test_a_reused_version_gets_the_aliases_given_and_latest_stays(catalog: Catalog) -> None:
    catalog.commit([make_head(1), make_head(2)])
    catalog.commit([make_head(1, reuse=True, aliases=("best",)), make_head(1, reuse=True)])
    assert (aliases(catalog, 0), aliases(catalog, 1)) == (("best",), ("latest",))


def test_a_reuse_that_moves_no_alias_leaves_the_revision_that_editors_compare(catalog: Catalog) -> None:
    catalog.commit([make_head(1), make_head(2)])
    before = catalog.version("team", "vision", "model", "v0").revision
    catalog.commit([make_head(1, reuse=True)])
    assert catalog.version("team", "vision", "model", "v0").revision == before
    catalog.commit([make_head(1, reuse=True, aliases=("best",))])
    assert catalog.version("team", "vision", "model", "v0").revision == before + 1


def test_contents_that_no_version_has_become_one_and_latest_moves(catalog: Catalog) -> None:
    catalog.commit([make_head(1)])
    results = catalog.commit(
        [make_head(2, reuse=True), make_head(2, reuse=True), make_head(3), make_head(2, reuse=True)]
    )
    assert numbers(results) == [(1, True), (1, False), (2, True), (1, False)]
    assert aliases(catalog, 2) == ("latest",)


def test_an_ordinary_head_still_compares_with_the_newest_version_only(catalog: Catalog) -> None:
    results = catalog.commit([make_head(1, reuse=True), make_head(2), make_head(1), make_head(1, reuse=True)])
    assert numbers(results) == [(0, True), (1, True), (2, True), (2, False)]


def test_deleted_versions_and_other_collections_are_never_taken(catalog: Catalog, delete_version: Delete) -> None:
    catalog.commit([make_head(1), make_head(2), make_head(1), make_head(1, name="other")])
    delete_version("team", "vision", "model", 2)
    assert numbers(catalog.commit([make_head(1, reuse=True)])) == [(0, False)]
    delete_version("team", "vision", "model", 0)
    assert numbers(catalog.commit([make_head(1, reuse=True)])) == [(3, True)]


def test_a_repeated_reuse_gets_the_version_of_then(catalog: Catalog) -> None:
    head = make_head(1, reuse=True, aliases=("best",))
    catalog.commit([head])
    catalog.commit([make_head(2, aliases=("best",)), make_head(1)])
    assert numbers(catalog.commit([head])) == [(0, True)]
    assert catalog.version("team", "vision", "model", "best").version == 1


def test_another_type_is_refused(catalog: Catalog) -> None:
    catalog.commit([make_head(1)])
    (result,) = catalog.commit([make_head(1, reuse=True, type="dataset")])
    assert isinstance(result, CommitRefused)


@pytest.mark.parametrize("given", [{"description": "other"}, {"metadata": '{"n":2}'}, {"tags": ("b",)}])
def test_what_the_reused_version_keeps_of_its_own_is_warned_of(catalog: Catalog, given: dict[str, object]) -> None:
    catalog.commit([make_head(1, description="kept", metadata='{"n":1}', tags=("a",)), make_head(2)])
    (result,) = catalog.commit([make_head(1, reuse=True, **given)])
    assert isinstance(result, Committed)
    assert result.warning is not None
    assert f"equal v0, which keeps its {next(iter(given))}" in result.warning


def test_a_reuse_has_no_producer(catalog: Catalog) -> None:
    catalog.commit([make_head(1, run="maker"), make_head(1, reuse=True)])
    made = catalog.run_versions(GetRunVersions(entity="team", project="vision", run="maker", role="logged"))
    assert [(item.version, item.digest) for item in made.items] == [(0, digest(1))]
