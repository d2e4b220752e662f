"""Editors that race: of one field a single one wins, and nothing that was saved is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from catalog_heads import make_head
from test_catalog_editing import deletion, edit, look

from artifactd.daemon.catalog import Catalog
from artifactd.protocol.errors import ArtifactNotFound, Conflict, InvalidRequest

_EDITORS = 4
_TURNS = 10


def race(editors: list[Callable[[], bool]]) -> list[bool]:
    """Start all at once; says of each whether it won."""
    start = threading.Barrier(len(editors))

    def run(editor: Callable[[], bool]) -> bool:
        start.wait()
        return editor()

    with ThreadPoolExecutor(len(editors)) as pool:
        return list(pool.map(run, editors))


def wins(act: Callable[[], object]) -> bool:
    try:
        act()
    except (Conflict, InvalidRequest, ArtifactNotFound):
        return False
    return True


def test_of_editors_of_one_field_one_wins_and_the_field_is_theirs(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    for turn in range(_TURNS):
        seen = look(catalog)
        texts = [f"{turn}-{number}" for number in range(_EDITORS)]
        requests = [edit(seen, description=(seen.description, text), add_tags=(text,)) for text in texts]
        won = race([lambda r=r: wins(lambda: catalog.edit(r)) for r in requests])  # type: ignore[misc]
        assert won.count(True) == 1
        winner = texts[won.index(True)]
        assert look(catalog).description == winner
        assert set(look(catalog).tags) & set(texts) == {winner}, "a loser's edit was half-applied"


def test_editors_of_different_aliases_and_tags_all_win(catalog: Catalog) -> None:
    catalog.commit([make_head(0)])
    seen = look(catalog)
    requests = [edit(seen, add_aliases=(f"a{n}",), add_tags=(f"t{n}",)) for n in range(_EDITORS)]
    assert all(race([lambda r=r: wins(lambda: catalog.edit(r)) for r in requests]))  # type: ignore[misc]
    both = look(catalog)
    assert set(both.aliases) == {"latest", *(f"a{n}" for n in range(_EDITORS))}
    assert set(both.tags) == {f"t{n}" for n in range(_EDITORS)}


def test_of_editors_that_take_one_alias_one_gets_it(catalog: Catalog) -> None:
    catalog.commit([make_head(n, aliases=("best",)) for n in range(_EDITORS + 1)])
    for _ in range(_TURNS):
        seen = [look(catalog, f"v{n}") for n in range(_EDITORS)]
        free = [version for version in seen if "best" not in version.aliases]
        won = race(
            [lambda v=v: wins(lambda: catalog.edit(edit(v, add_aliases=("best",)))) for v in free]  # type: ignore[misc]
        )
        assert won.count(True) == 1
        assert look(catalog, "best").version == free[won.index(True)].version


def test_a_version_is_never_deleted_under_an_alias(catalog: Catalog) -> None:
    for turn in range(_TURNS):
        catalog.commit([make_head(2 * turn), make_head(2 * turn + 1)])
        number = look(catalog).version - 1
        seen = look(catalog, f"v{number}")
        aliased, deleted = race(
            [
                lambda seen=seen: wins(lambda: catalog.edit(edit(seen, add_aliases=("best",)))),  # type: ignore[misc]
                lambda number=number: wins(lambda: catalog.delete(deletion(number))),  # type: ignore[misc]
            ]
        )
        assert aliased != deleted
        if aliased:
            assert look(catalog, "best").version == number
