"""Looking up and paging."""

from __future__ import annotations

import pytest
from catalog_heads import Delete, digest, make_head

from artifactd.daemon.catalog import Catalog
from artifactd.protocol.errors import ArtifactNotFound, InvalidRequest
from artifactd.protocol.messages import Collection, GetCollections, GetVersions, Version


def test_a_version_is_found_by_alias_and_by_number_with_all_that_was_logged(catalog: Catalog) -> None:
    head = make_head(
        1, aliases=("best", "a"), tags=("t", "s"), description="d", metadata='{"n":1}', run="r", size=7, files=3
    )
    catalog.commit([make_head(0), head])
    expected = Version(
        entity="team",
        project="vision",
        name="model",
        type="model",
        version=1,
        digest=digest(1),
        files=3,
        size=7,
        aliases=("a", "best", "latest"),
        tags=("s", "t"),
        description="d",
        metadata='{"n":1}',
        run="r",
        created_at=head.accepted_at,
        revision=1,
    )
    for alias in ("best", "latest", "v1"):
        assert catalog.version("team", "vision", "model", alias, type="model") == expected
    assert catalog.version("team", "vision", "model", "v0").aliases == ()


def test_a_missing_alias_is_answered_with_those_that_exist(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1, aliases=("best",))])
    for alias in ("bets", "v2"):
        with pytest.raises(ArtifactNotFound, match=rf"model:{alias}.*best, latest, versions up to v1"):
            catalog.version("team", "vision", "model", alias)


def test_a_missing_collection_is_answered_with_those_of_like_name(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(0, name="unrelated"), make_head(0, name="modes", project="elsewhere")])
    with pytest.raises(ArtifactNotFound, match=r"modle.*has model\)"):
        catalog.version("team", "vision", "modle", "latest")
    with pytest.raises(ArtifactNotFound, match="nothing was logged to nobody/vision"):
        catalog.version("nobody", "vision", "model", "latest")


def test_another_type_than_asked_for_is_an_error(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    with pytest.raises(InvalidRequest, match="'model', not 'dataset'"):
        catalog.version("team", "vision", "model", "latest", type="dataset")


def test_a_deleted_version_is_not_found_by_number_alias_or_page(catalog: Catalog, delete_version: Delete) -> None:
    catalog.commit([make_head(0), make_head(1)])
    delete_version("team", "vision", "model", 1)
    for alias in ("v1", "latest"):
        with pytest.raises(ArtifactNotFound, match="versions up to v0"):
            catalog.version("team", "vision", "model", alias)
    page = catalog.versions(GetVersions(entity="team", project="vision", name="model"))
    assert [version.version for version in page.items] == [0]


def test_versions_are_paged_newest_first_without_gap_or_repetition(catalog: Catalog) -> None:
    catalog.commit([make_head(n) for n in range(7)])
    seen: list[int] = []
    before, more = None, True
    while more:
        page = catalog.versions(GetVersions(entity="team", project="vision", name="model", before=before, limit=3))
        seen += [version.version for version in page.items]
        before, more = seen[-1], page.more
    assert seen == [6, 5, 4, 3, 2, 1, 0]


def test_a_page_of_long_metadata_is_cut_to_fit_one_message(catalog: Catalog) -> None:
    texts = '{"a":"' + "é" * 150_000 + '"}'
    catalog.commit([make_head(n, metadata=texts) for n in range(5)] + [make_head(9, metadata=texts * 5)])
    request = GetVersions(entity="team", project="vision", name="model", limit=0)
    assert [version.version for version in catalog.versions(request).items] == [5], "one always fits"
    request = GetVersions(entity="team", project="vision", name="model", limit=10**9, before=5)
    page = catalog.versions(request)
    assert [version.version for version in page.items] == [4, 3, 2]
    assert page.more


def test_collections_are_paged_by_project_and_name(catalog: Catalog) -> None:
    names = [("p1", "a"), ("p1", "c"), ("p2", "a"), ("p2", "b"), ("p3", "a")]
    heads = [make_head(0, project=project, name=name) for project, name in reversed(names)]
    catalog.commit([*heads, make_head(0, entity="others")])
    seen: list[tuple[str, str]] = []
    after, more = None, True
    while more:
        page = catalog.collections(GetCollections(entity="team", after=after, limit=2))
        seen += [(item.project, item.name) for item in page.items]
        after, more = seen[-1], page.more
    assert seen == names
    page = catalog.collections(GetCollections(entity="team", project="p2"))
    assert ([item.name for item in page.items], page.more) == (["a", "b"], False)


def test_a_collection_tells_its_newest_version_and_when_it_was_made(
    catalog: Catalog, delete_version: Delete
) -> None:
    first, second = make_head(0), make_head(1)
    catalog.commit([first, second])

    def listed() -> Collection:
        (item,) = catalog.collections(GetCollections(entity="team")).items
        return item

    assert (listed().versions, listed().newest, listed().updated_at) == (2, 1, second.accepted_at)
    delete_version("team", "vision", "model", 1)
    assert (listed().versions, listed().newest, listed().updated_at) == (1, 0, first.accepted_at)
    delete_version("team", "vision", "model", 0)
    assert (listed().versions, listed().newest) == (0, None)


def test_a_number_beyond_the_database_is_an_invalid_request(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    with pytest.raises(InvalidRequest):
        catalog.versions(GetVersions(entity="team", project="vision", name="model", before=1 << 64))
