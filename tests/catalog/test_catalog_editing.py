"""Editing and deleting: what is compared, what is set, and that a repetition harms nobody."""

from __future__ import annotations

from typing import Any

import pytest
from blake3 import blake3
from catalog_heads import Delete, make_head

from artifactd.daemon.catalog import Catalog, Committed
from artifactd.protocol.errors import ArtifactNotFound, Conflict, InvalidRequest
from artifactd.protocol.messages import DeleteVersion, EditVersion, Version


def look(catalog: Catalog, alias: str = "latest") -> Version:
    return catalog.version("team", "vision", "model", alias)


def edit(seen: Version, **changes: Any) -> EditVersion:
    return EditVersion(
        entity=seen.entity,
        project=seen.project,
        name=seen.name,
        version=seen.version,
        revision=seen.revision,
        **changes,
    )


def metadata(seen: Version, text: str) -> tuple[bytes, str]:
    return blake3(seen.metadata.encode()).digest(), text


def deletion(version: int, **options: Any) -> DeleteVersion:
    return DeleteVersion(entity="team", project="vision", name="model", version=version, **options)


def test_every_field_is_set_in_one_edit_and_answered_as_it_is_then(catalog: Catalog) -> None:
    catalog.commit([make_head(0, description="old", tags=("a", "b"), aliases=("best",))])
    seen = look(catalog)
    saved = catalog.edit(
        edit(
            seen,
            description=("old", "new"),
            metadata=metadata(seen, '{"n":1}'),
            ttl=(None, 60),
            add_aliases=("prod",),
            remove_aliases=("best",),
            add_tags=("c",),
            remove_tags=("a",),
        )
    )
    assert saved == look(catalog)
    assert (saved.description, saved.metadata, saved.ttl) == ("new", '{"n":1}', 60)
    assert (saved.aliases, saved.tags) == (("latest", "prod"), ("b", "c"))


def test_edits_of_different_fields_both_hold(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    seen = look(catalog)
    catalog.edit(edit(seen, description=(None, "mine"), add_aliases=("a",), add_tags=("s",)))
    catalog.edit(edit(seen, metadata=metadata(seen, '{"theirs":1}'), add_aliases=("b",), add_tags=("t",)))
    both = look(catalog)
    assert (both.description, both.metadata) == ("mine", '{"theirs":1}')
    assert (both.aliases, both.tags) == (("a", "b", "latest"), ("s", "t"))


@pytest.mark.parametrize("field", ["description", "metadata", "ttl"])
def test_the_second_edit_of_one_field_is_a_conflict_that_names_it_and_changes_nothing(
    catalog: Catalog, field: str
) -> None:
    catalog.commit([make_head(0)])
    seen = look(catalog)

    def change(to: int) -> dict[str, Any]:
        return {
            "description": (None, str(to)),
            "metadata": metadata(seen, f'{{"n":{to}}}'),
            "ttl": (None, to),
        }

    first = catalog.edit(edit(seen, **{field: change(1)[field]}))
    with pytest.raises(Conflict, match=f"{field} changed after this version was read"):
        catalog.edit(edit(seen, **change(2), add_tags=("t",), add_aliases=("a",), remove_aliases=("latest",)))
    assert look(catalog) == first


def test_repeating_an_edit_changes_nothing_more(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1, aliases=("best",), tags=("t",))])
    seen = look(catalog, "v0")
    request = edit(
        seen,
        description=(None, "new"),
        metadata=metadata(seen, '{"n":1}'),
        ttl=(None, 60),
        add_aliases=("best",),
        add_tags=("s",),
        remove_tags=("t",),
    )
    assert catalog.edit(request) == catalog.edit(request) == look(catalog, "best")


def test_an_alias_moves_from_the_version_that_has_it(catalog: Catalog) -> None:
    catalog.commit([make_head(0, aliases=("best",)), make_head(1)])
    catalog.edit(edit(look(catalog, "v1"), add_aliases=("best",)))
    assert (look(catalog, "v0").aliases, look(catalog, "best").version) == ((), 1)


def test_an_alias_that_moved_meanwhile_is_not_taken(catalog: Catalog) -> None:
    catalog.commit([make_head(n, aliases=("best",)) for n in range(3)])
    first, second = look(catalog, "v0"), look(catalog, "v1")
    catalog.edit(edit(first, add_aliases=("best",)))
    with pytest.raises(Conflict, match=r"the alias 'best' \(now at v0\)"):
        catalog.edit(edit(second, description=(None, "x"), add_aliases=("best",)))
    assert (look(catalog, "best").version, look(catalog, "v1").description) == (0, None)


def test_an_alias_that_a_commit_moved_meanwhile_is_not_taken(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1, aliases=("best",))])
    seen = look(catalog, "v0")
    catalog.commit([make_head(2, aliases=("best",))])
    with pytest.raises(Conflict, match="'best'"):
        catalog.edit(edit(seen, add_aliases=("best",)))


def test_an_alias_that_appeared_elsewhere_meanwhile_is_not_taken(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1)])
    first, second = look(catalog, "v0"), look(catalog, "v1")
    catalog.edit(edit(first, add_aliases=("new",)))
    with pytest.raises(Conflict, match="'new'"):
        catalog.edit(edit(second, add_aliases=("new",)))


def test_an_alias_that_others_moved_is_gone_from_here_as_was_asked_and_stays_there(catalog: Catalog) -> None:
    catalog.commit([make_head(0, aliases=("best",)), make_head(1)])
    seen = look(catalog, "v0")
    catalog.edit(edit(look(catalog, "v1"), add_aliases=("best",)))
    catalog.edit(edit(seen, remove_aliases=("best",)))
    assert look(catalog, "best").version == 1


def test_a_commit_that_leaves_an_alias_where_it_is_does_not_count_as_a_move(catalog: Catalog) -> None:
    catalog.commit([make_head(0, aliases=("best",)), make_head(1)])
    seen = look(catalog, "v0")
    catalog.commit([make_head(1)])
    catalog.edit(edit(seen, add_aliases=("latest",)))
    assert look(catalog).version == 0


def test_a_version_with_aliases_is_deleted_only_with_them(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1, aliases=("best",))])
    with pytest.raises(InvalidRequest, match=r"best, latest.*delete_aliases=True"):
        catalog.delete(deletion(1))
    assert look(catalog).version == 1
    catalog.delete(deletion(1, delete_aliases=True))
    for alias in ("v1", "best", "latest"):
        with pytest.raises(ArtifactNotFound):
            look(catalog, alias)
    assert look(catalog, "v0").aliases == ()


def test_an_alias_that_went_with_a_deleted_version_is_free_again(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1)])
    first, second = look(catalog, "v0"), look(catalog, "v1")
    catalog.edit(edit(first, add_aliases=("best",)))
    catalog.delete(deletion(0, delete_aliases=True))
    assert catalog.edit(edit(second, add_aliases=("best",))).aliases == ("best", "latest")


def test_a_deleted_version_is_said_to_be_deleted_and_deleting_it_again_is_no_error(catalog: Catalog) -> None:
    catalog.commit([make_head(0), make_head(1)])
    seen = look(catalog, "v0")
    for _ in range(2):
        catalog.delete(deletion(0))
    with pytest.raises(ArtifactNotFound, match=r"model:v0: the version was deleted \(it has latest, versions up"):
        look(catalog, "v0")
    with pytest.raises(ArtifactNotFound, match="was deleted"):
        catalog.edit(edit(seen, description=(None, "x")))


def test_what_never_was_cannot_be_edited_or_deleted(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    for version in (7, 1 << 60):
        with pytest.raises(ArtifactNotFound, match="no such version"):
            catalog.delete(deletion(version))
    with pytest.raises(ArtifactNotFound, match="no such artifact"):
        catalog.edit(EditVersion(entity="team", project="vision", name="nope", version=0, revision=0))


def test_a_deleted_version_keeps_its_number_and_equal_contents_become_a_new_one(
    catalog: Catalog, delete_version: Delete
) -> None:
    catalog.commit([make_head(0), make_head(1)])
    delete_version("team", "vision", "model", 1)
    (result,) = catalog.commit([make_head(1)])
    assert isinstance(result, Committed)
    assert (result.version, result.created, look(catalog).version) == (2, True, 2)


def test_a_ttl_is_logged_and_one_that_differs_from_equal_contents_is_warned_of(catalog: Catalog) -> None:
    catalog.commit([make_head(0, ttl=60)])
    assert look(catalog).ttl == 60
    (result,) = catalog.commit([make_head(0, ttl=70)])
    assert isinstance(result, Committed)
    assert result.warning is not None
    assert "keeps its ttl" in result.warning
