"""Names, paths and addresses: what is taken, what is refused, and that refusing is a ValueError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactd.protocol import names
from artifactd.protocol.errors import InvalidRequest
from artifactd.protocol.names import Address


@pytest.mark.parametrize("name", ["a", "bike-dataset", "A_1.b-C", "x" * 128, "..."])
def test_good_artifact_names_are_taken(name: str) -> None:
    assert names.check_artifact_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "a b", "reference model", "a/b", "a:b", "x" * 129, "é", "a\n", ".", "..", "a\0", None, 3, b"a"]
)
def test_bad_artifact_names_are_refused(name: object) -> None:
    with pytest.raises(ValueError, match="artifact name"):
        names.check_artifact_name(name)


@pytest.mark.parametrize("entity", [".tmp", "artifactd-probe", "", ".", "..", "a/b", "\u2024\u2024", "x" * 129])
def test_an_entity_whose_objects_would_lie_elsewhere_is_refused(entity: str) -> None:
    with pytest.raises(ValueError, match="entity"):
        names.check_entity(entity)


@pytest.mark.parametrize("type", ["job", "wandb-history", "", "a b"])
def test_reserved_and_malformed_types_are_refused(type: str) -> None:
    with pytest.raises(ValueError, match="artifact type"):
        names.check_type(type)


@pytest.mark.parametrize("alias", ["v0", "v12", "v007", "a/b", "a:b", "", "x" * 129, "a\nb", "\ud800", None])
def test_bad_aliases_are_refused(alias: object) -> None:
    with pytest.raises(ValueError, match="alias"):
        names.check_alias(alias)


@pytest.mark.parametrize("alias", ["latest", "best-ap50", "v", "vx", "version 2", "é"])
def test_good_aliases_are_taken(alias: str) -> None:
    assert names.check_alias(alias) == alias


def test_aliases_are_a_list_of_strings_each_once() -> None:
    assert names.check_aliases(["a", "b", "a"]) == ("a", "b")
    assert names.check_aliases(None) == ()
    assert names.check_aliases("best") == ("best",)
    with pytest.raises(ValueError, match="list of strings"):
        names.check_aliases(5)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "/etc/shadow",
        "C:/x",
        "c:x",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "\ud800",
        "x" * 256,
        "é" * 128,
        "a/" * 2000 + "a" * 100,
        None,
        b"a",
    ],
)
def test_bad_entry_paths_are_refused(path: object) -> None:
    with pytest.raises(ValueError, match="entry path"):
        names.normalise_entry_path(path)


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("a", "a"),
        ("a//b", "a/b"),
        ("./a", "a"),
        ("a/./b", "a/b"),
        ("a/", "a"),
        ("..a/b..", "..a/b.."),
        ("é/ñ", "é/ñ"),
    ],
)
def test_entry_paths_are_brought_to_one_form(path: str, normal: str) -> None:
    assert names.normalise_entry_path(path) == normal


@given(st.text())
def test_a_normalised_path_is_safe_and_stays_as_it_is(path: str) -> None:
    try:
        normal = names.normalise_entry_path(path)
    except ValueError:
        return
    assert names.check_entry_path(normal) == normal
    assert names.normalise_entry_path(normal) == normal
    parts = normal.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert "\0" not in normal


def test_case_and_unicode_twins_are_two_paths() -> None:
    assert len({names.normalise_entry_path(path) for path in ("A", "a", "\u00e9", "e\u0301")}) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m", "e/p/m:latest"),
        ("m:v3", "e/p/m:v3"),
        ("q/m:best", "e/q/m:best"),
        ("f/q/m:best", "f/q/m:best"),
        ("f/q/m", "f/q/m:latest"),
    ],
)
def test_addresses_fill_in_what_is_left_out(text: str, expected: str) -> None:
    assert str(Address.parse(text, entity="e", project="p")) == expected


@pytest.mark.parametrize("alias", ["v00", "v999999999999999999999"])
def test_an_address_with_a_number_that_no_version_has_says_so(alias: str) -> None:
    with pytest.raises(ValueError, match=f"no version is called {alias!r}"):
        Address.parse(f"model:{alias}", entity="e", project="p")


def test_a_path_that_comes_to_nothing_is_refused_as_it_was_given() -> None:
    with pytest.raises(ValueError, match=r"entry path '\./' names no entry"):
        names.normalise_entry_path("./")


@pytest.mark.parametrize("text", ["", ":v1", "m:", "a/b/c/d", "a//m", "m:a/b", "m:a:b", "m:v01", "../m", 3, None])
def test_addresses_that_mean_nothing_are_refused(text: object) -> None:
    with pytest.raises(InvalidRequest):
        Address.parse(text, entity="e", project="p")


@pytest.mark.parametrize(
    ("alias", "number"),
    [("v0", 0), ("v12", 12), ("v01", None), ("v", None), ("latest", None), ("v" + "9" * 30, None)],
)
def test_version_numbers_have_one_form(alias: str, number: int | None) -> None:
    assert names.version_number(alias) == number
