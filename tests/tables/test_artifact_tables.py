"""Tables in artifacts: added, logged, and got back in another process's place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import artifactd.client as wandb
from artifactd.client import (
    Artifact,
    ArtifactFinalizedError,
    ArtifactNotLoggedError,
    Client,
    EntryNotFound,
    InvalidRequest,
    Table,
    _download,
)
from artifactd.client.data_types import PartitionedTable

SECONDS = 30.0


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the files that were brought from the daemon, in order; the list grows."""
    paths: list[str] = []
    bring = _download.bring

    def noted(errand: Any, entries: Iterable[Any]) -> None:
        wanted = list(entries)
        paths.extend(entry.path for entry in wanted)
        bring(errand, wanted)

    monkeypatch.setattr(_download, "bring", noted)
    return paths


def predictions(rows: int = 3) -> Table:
    return Table(columns=["id", "label"], data=[[number, f"label {number}"] for number in range(rows)])


def reread(client: Client, artifact: Artifact) -> Artifact:
    """The committed version, as one who did not log it sees it."""
    return client.use_artifact(client.log_artifact(artifact).wait(SECONDS).qualified_name)


def test_a_table_comes_back_from_the_committed_version(client: Client, name: str, tmp_path: Path) -> None:
    artifact = Artifact(name, "predictions")
    entry = artifact.add(predictions(), "predictions")
    artifact["deep/others"] = predictions(0)
    assert (entry.path, list(artifact.entries)) == (
        "predictions.table.json",
        ["deep/others.table.json", "predictions.table.json"],
    )
    version = reread(client, artifact)
    assert version.get("predictions") == predictions()
    assert version["predictions.table.json"] == predictions()
    assert version.get("deep/others").columns == ["id", "label"]
    assert json.loads((Path(version.download(tmp_path)) / "predictions.table.json").read_text())["data"] == [
        [0, "label 0"],
        [1, "label 1"],
        [2, "label 2"],
    ]


def test_getting_a_table_fetches_nothing_else(client: Client, name: str, fetched: list[str]) -> None:
    artifact = Artifact(name, "predictions")
    artifact.add(predictions(), "predictions")
    with artifact.new_file("weights", "wb") as file:
        file.write(bytes(1000))
    version = reread(client, artifact)
    assert version.get("predictions") == predictions()
    assert fetched == ["predictions.table.json"]


def test_a_table_is_stored_as_it_is_when_it_is_added(client: Client, name: str) -> None:
    table = predictions(1)
    artifact = Artifact(name, "predictions")
    artifact.add(table, "t")
    table.add_data(1, "late")
    assert artifact.get("t") == predictions(1)
    with pytest.raises(InvalidRequest, match="an entry with this name and other content"):
        artifact["t"] = table
    artifact.add(predictions(1), "t")
    artifact.add(table, "t.table.json", overwrite=True)
    assert list(artifact.entries) == ["t.table.json"]
    assert reread(client, artifact).get("t") == table


def test_a_drafts_table_is_read_from_where_it_is_kept(client: Client, name: str) -> None:
    big = Table(columns=["text"], data=[["x" * 1000] for _ in range(200)])
    artifact = Artifact(name, "predictions")
    artifact.add(predictions(), "small")
    artifact.add(big, "big")
    small, large = artifact.get("small"), artifact.get("big")
    artifact.remove("big.table.json")
    assert small == predictions()
    assert large == big


def test_a_table_can_go_on_from_one_version_to_the_next(client: Client, name: str) -> None:
    first = Artifact(name, "predictions")
    first["t"] = predictions(2)
    table = reread(client, first).get("t")
    assert isinstance(table, Table)
    table.add_data(2, "label 2")
    second = Artifact(name, "predictions")
    second["t"] = table
    version = reread(client, second)
    assert version.version == "v1"
    assert version.get("t") == predictions(3)


def test_an_unknown_table_names_those_like_it_and_a_file_says_that_it_is_one(client: Client, name: str) -> None:
    artifact = Artifact(name, "predictions")
    artifact.add(predictions(), "predictions")
    with artifact.new_file("notes.txt") as file:
        file.write("no table")
    for reader in (artifact, reread(client, artifact)):
        with pytest.raises(EntryNotFound, match="no table 'prediction'; did you mean 'predictions'"):
            reader.get("prediction")
        with pytest.raises(EntryNotFound, match=r"'notes\.txt' is a file, not a table"):
            reader["notes.txt"]
    assert issubclass(EntryNotFound, KeyError)


def test_what_is_no_table_and_names_that_no_entry_has_are_refused(client: Client, name: str) -> None:
    artifact = Artifact(name, "predictions")
    bad: Any = [[1, 2]]
    with pytest.raises(InvalidRequest, match="a list is not a Table or PartitionedTable"):
        artifact.add(bad, "t")
    for path in ("", "/t", "../t"):
        with pytest.raises(InvalidRequest, match="entry path"):
            artifact.add(predictions(), path)
    with pytest.raises(InvalidRequest, match="entry path"):
        PartitionedTable("../parts")
    artifact.finalize()
    with pytest.raises(ArtifactFinalizedError):
        artifact["t"] = predictions()


def test_a_file_under_a_tables_name_is_not_believed(client: Client, name: str) -> None:
    artifact = Artifact(name, "predictions")
    for path in ("a.table.json", "b.partitioned-table.json"):
        with artifact.new_file(path) as file:
            file.write('{"columns": []}')
    version = reread(client, artifact)
    with pytest.raises(InvalidRequest, match=r"a\.table\.json: the stored table cannot be read"):
        version.get("a")
    with pytest.raises(InvalidRequest, match=r"b\.partitioned-table\.json: the partitioned table cannot be read"):
        version.get("b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 60_000,
        '{"_type":"partitioned-table","format":1}',
        '{"_type":"partitioned-table","format":1,"parts_path":7}',
        '{"_type":"partitioned-table","format":1,"parts_path":"../up"}',
        '{"_type":"partitioned-table","format":2,"parts_path":"parts"}',
        '{"_type":"partitioned-table","format":1,"parts_path":"parts"}' + " " * (64 << 10),
    ],
    ids=range(7),
)
def test_a_damaged_partitioned_table_is_refused(text: str, client: Client, name: str) -> None:
    artifact = Artifact(name, "predictions")
    with artifact.new_file("p.partitioned-table.json") as file:
        file.write(text)
    with pytest.raises(InvalidRequest, match="the partitioned table cannot be read"):
        artifact.get("p")


def partitioned(name: str, *parts: Table) -> Artifact:
    artifact = wandb.Artifact(name, "predictions")
    for number, part in enumerate(parts):
        artifact.add(part, f"parts/{number}")
    artifact.add(wandb.data_types.PartitionedTable(parts_path="parts"), "all")
    return artifact


def test_a_partitioned_table_reads_every_row_of_every_part_in_the_order_of_paths(
    client: Client, name: str
) -> None:
    artifact = partitioned(name, predictions(2), predictions(0), predictions(3))
    artifact.add(predictions(9), "partsbeside/it")
    with artifact.new_file("parts/readme") as file:
        file.write("not a part")
    rows = [row for part in (2, 3) for row in predictions(part).data]
    for reader in (artifact, reread(client, artifact)):
        table = reader.get("all")
        assert isinstance(table, PartitionedTable)
        assert table == PartitionedTable("parts/")
        assert table.columns == ["id", "label"]
        assert list(table.iterrows()) == list(enumerate(rows))
        assert list(table.iterrows()) == list(enumerate(rows))


def test_parts_are_fetched_one_by_one_as_they_are_read(client: Client, name: str, fetched: list[str]) -> None:
    version = reread(client, partitioned(name, predictions(1), predictions(2), predictions(1)))
    table = version.get("all")
    fetched.clear()
    rows = table.iterrows()
    assert fetched == []
    assert next(rows) == (0, [0, "label 0"])
    assert fetched == ["parts/0.table.json"]
    assert [next(rows)[0], next(rows)[0]] == [1, 2]
    assert fetched == ["parts/0.table.json", "parts/1.table.json"]


def test_parts_with_other_columns_are_an_error_that_names_the_part(client: Client, name: str) -> None:
    table = partitioned(name, predictions(1), Table(columns=["id", "lable"], data=[[1, "x"]])).get("all")
    rows = table.iterrows()
    assert next(rows) == (0, [0, "label 0"])
    with pytest.raises(InvalidRequest, match=r"parts/1\.table\.json: its columns are \['id', 'lable'\]"):
        next(rows)


def test_a_partitioned_table_of_a_mistyped_folder_names_those_like_it(client: Client, name: str) -> None:
    artifact = partitioned(name, predictions(1))
    artifact.add(PartitionedTable("part"), "mistyped")
    for reader in (artifact, reread(client, artifact)):
        with pytest.raises(EntryNotFound, match=r"mistyped.*no table below 'part'; did you mean 'parts'\?"):
            reader.get("mistyped")
    with pytest.raises(EntryNotFound, match=r"no table below 'parts'$"):
        partitioned(f"{name}-empty").get("all")


def test_a_partitioned_table_that_was_never_got_says_so() -> None:
    with pytest.raises(ArtifactNotLoggedError, match=r"artifact\.get"):
        PartitionedTable("parts").iterrows()


def test_a_logged_artifact_has_no_tables_to_read_before_it_is_committed(client: Client, name: str) -> None:
    handle = client.log_artifact(partitioned(name, predictions(1)))
    assert handle.wait(SECONDS).get("parts/0") == predictions(1)
    assert handle.get("parts/0") == predictions(1)
