"""Links: versions of another collection that show their source."""

from __future__ import annotations

import os
from typing import Any

import pytest
from catalog_heads import Delete, digest, make_head
from test_catalog_editing import edit

from artifactd.daemon.catalog import Catalog, Committed
from artifactd.protocol.errors import ArtifactNotFound, Conflict, Denied, InvalidRequest
from artifactd.protocol.messages import GetRunVersions, GetUsers, LinkVersion, StartRun, Version

SHOP = ("team", "shop", "portfolio")


def link(version: int = 0, target: tuple[str, str, str] = SHOP, **fields: Any) -> LinkVersion:
    fields = {"id": os.urandom(16), "entity": "team", "project": "vision", "name": "model"} | fields
    return LinkVersion(version=version, target=target, **fields)


def linked(catalog: Catalog, request: LinkVersion) -> Version:
    return catalog.link(1000, request, b"body")


def test_a_link_shows_its_source_and_has_a_number_and_aliases_of_its_own(catalog: Catalog) -> None:
    head = make_head(1, description="d", metadata='{"n":1}', tags=("t",), run="r", ttl=60, size=7, files=3)
    catalog.commit([make_head(0), head])
    found = linked(catalog, link(1, aliases=("prod",)))
    assert found == catalog.version(*SHOP, "prod") == catalog.version(*SHOP, "latest", type="model")
    assert (found.project, found.name, found.version, found.aliases) == (
        "shop",
        "portfolio",
        0,
        ("latest", "prod"),
    )
    assert (found.digest, found.size, found.files, found.run) == (digest(1), 7, 3, "r")
    assert (found.description, found.metadata, found.tags, found.ttl) == ("d", '{"n":1}', ("t",), 60)
    assert found.source == ("team", "vision", "model", 1)


def test_a_link_and_its_source_show_what_is_edited_on_either(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    here = linked(catalog, link())
    catalog.edit(edit(here, description=(None, "by the link"), add_aliases=("a",)))
    source = catalog.version("team", "vision", "model", "v0")
    assert (source.description, source.aliases) == ("by the link", ("latest",))
    catalog.edit(edit(source, add_tags=("t",)))
    assert catalog.version(*SHOP, "a").tags == ("t",)
    with pytest.raises(Conflict):
        catalog.edit(edit(here, description=(None, "again")))


def test_linking_again_moves_the_aliases_and_makes_no_version(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1)])
    assert [linked(catalog, link(n)).version for n in (0, 1, 0)] == [0, 1, 0]
    assert catalog.version(*SHOP, "latest").version == 0


def test_a_repeated_request_takes_effect_once(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1)])
    first = link(0, aliases=("prod",))
    linked(catalog, first)
    linked(catalog, link(1, aliases=("prod",)))
    assert linked(catalog, first).version == 0
    assert catalog.version(*SHOP, "prod").version == 1, "the repetition moved an alias back"
    with pytest.raises(Conflict, match="used before"):
        catalog.link(1000, first, b"another body")


def test_a_link_to_a_link_leads_to_the_source(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    linked(catalog, link())
    second = linked(catalog, link(project="shop", name="portfolio", target=("team", "mall", "p")))
    assert second.source == ("team", "vision", "model", 0)
    with pytest.raises(InvalidRequest, match="own collection"):
        linked(catalog, link(project="shop", name="portfolio", target=("team", "vision", "model")))


def test_deleting_a_link_keeps_the_source_and_the_other_way_round(
    catalog: Catalog, delete_version: Delete
) -> None:
    catalog.commit([make_head(0, description="d"), make_head(1)])
    linked(catalog, link(0))
    linked(catalog, link(1))
    delete_version(*SHOP, 1)
    assert catalog.version("team", "vision", "model", "latest").version == 1
    delete_version("team", "vision", "model", 0)
    assert catalog.version(*SHOP, "v0").description == "d"
    assert linked(catalog, link(1)).version == 2, "the number of a deleted link was used again"


def test_a_link_is_refused_across_entities_types_and_for_what_does_not_exist(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(0, project="shop", name="data", type="dataset")])
    with pytest.raises(Denied, match="another entity"):
        linked(catalog, link(target=("others", "shop", "portfolio")))
    with pytest.raises(InvalidRequest, match="'dataset', not 'model'"):
        linked(catalog, link(target=("team", "shop", "data")))
    with pytest.raises(InvalidRequest, match="own collection"):
        linked(catalog, link(target=("team", "vision", "model")))
    with pytest.raises(ArtifactNotFound):
        linked(catalog, link(5))
    with pytest.raises(ArtifactNotFound, match="no such artifact"):
        catalog.version(*SHOP, "latest")


def test_equal_contents_logged_beside_a_link_are_that_link(catalog: Catalog) -> None:
    catalog.commit([make_head(0, metadata='{"n":1}', tags=("t",))])
    linked(catalog, link())
    head = make_head(0, project="shop", name="portfolio", metadata='{"n":1}', tags=("t",))
    (result,) = catalog.commit([head])
    assert result == Committed(0, digest(0), created=False, warning=None)
    (result,) = catalog.commit([make_head(1, project="shop", name="portfolio")])
    assert isinstance(result, Committed)
    assert result.version == 1


def test_using_a_link_is_using_its_source(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    here = linked(catalog, link())
    catalog.start_run(1, StartRun(id="r", entity="team", project="vision", name="n"))
    catalog.record_use(1, "team", "vision", "r", here)
    request = GetRunVersions(entity="team", project="vision", run="r", role="used")
    assert [item.name for item in catalog.run_versions(request).items] == ["model"]
    for project, name in (("vision", "model"), ("shop", "portfolio")):
        users = catalog.users(GetUsers(entity="team", project=project, name=name, version=0))
        assert [run.id for run in users.items] == ["r"]
