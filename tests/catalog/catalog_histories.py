"""What clients may do to a catalog, as steps that a test can draw at random."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

from catalog_heads import digest, make_head
from hypothesis import strategies as st

from artifactd.daemon.catalog import Catalog, Head, Part
from artifactd.protocol.errors import ArtifactdError
from artifactd.protocol.manifest import Entry
from artifactd.protocol.messages import DeleteVersion, EditVersion, FinishRun, LinkVersion, StartRun

__all__ = ["EVERYTHING", "STEP", "History"]

_ids = itertools.count(1)


class History:
    """Does to a catalog what clients may do, at random."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.heads: list[Head] = []

    def do(self, step: Any) -> None:
        what, *arguments = step
        # What the catalog refuses is a part of history as well.
        with suppress(ArtifactdError):
            getattr(self, what)(*arguments)

    def commit(self, chosen: list[dict[str, Any]]) -> None:
        heads = [make_head(id=next(_ids).to_bytes(16), **choice) for choice in chosen]
        self.heads += heads
        self.catalog.commit(heads)

    def repeat(self, index: int) -> None:
        if self.heads:
            self.catalog.commit([self.heads[index % len(self.heads)]])

    def edit(self, name: str, version: int, aliases: tuple[str, ...], tags: tuple[str, ...], text: str) -> None:
        place = {"entity": "team", "project": "vision", "name": name}
        found = self.catalog.version(*place.values(), f"v{version}")
        self.catalog.edit(
            EditVersion(
                **place,
                version=version,
                revision=found.revision,
                description=(found.description, text),
                ttl=(found.ttl, len(text)),
                add_aliases=aliases[:1],
                remove_aliases=aliases[1:],
                add_tags=tags[:1],
                remove_tags=tags[1:],
            )
        )

    def delete(self, name: str, version: int) -> None:
        self.catalog.delete(
            DeleteVersion(entity="team", project="vision", name=name, version=version, delete_aliases=True)
        )

    def link(self, name: str, version: int, target: str) -> None:
        place = {"entity": "team", "project": "vision", "name": name, "version": version}
        id = next(_ids).to_bytes(16)
        self.catalog.link(7, LinkVersion(**place, id=id, target=("team", "shop", target)), b"body")

    def edit_link(self, name: str, version: int) -> None:
        place = {"entity": "team", "project": "shop", "name": name, "version": version}
        self.catalog.edit(EditVersion(**place, revision=9, description=(None, "of the source"), add_tags=("s",)))

    def start(self, run: str, config: str) -> None:
        self.catalog.start_run(1, StartRun(id=run, entity="team", project="vision", name="n", config=config))

    def finish(self, run: str) -> None:
        self.catalog.finish_run(1, FinishRun(id=run, entity="team", project="vision"))

    def use(self, run: str, project: str, name: str) -> None:
        self.catalog.record_use(1, "team", "vision", run, self.catalog.version("team", project, name, "latest"))

    def draft(self, name: str, contents: int, finishes: bool) -> None:
        for number, run in enumerate(["r1", None, "r2"]):
            part = Part(
                uid=1,
                id=next(_ids).to_bytes(16),
                body_hash=b"part",
                entity="team",
                project="vision",
                name=name,
                type="model",
                distributed_id=f"d{contents}",
                finishes=finishes and number == 2,
                writer=f"writer {number}",
                run=run,
                aliases=(),
                tags=(),
                description=None,
                metadata="{}",
                ttl=5,
            )
            self.catalog.register_part(part, [Entry(f"f{number}", digest(number), 1)])
        if finishes:
            self.catalog.commit([make_head(contents, name=name, uid=1, id=part.id, draft=part.distributed_id)])


_name = st.sampled_from("abc")
_labels = st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=2).map(tuple)
_head = st.fixed_dictionaries(
    {
        "contents": st.integers(0, 3),
        "name": _name,
        "uid": st.sampled_from([1, 2]),
        "aliases": _labels,
        "tags": _labels,
        "description": st.sampled_from([None, "", "one", "zwei\n“"]),
        "metadata": st.sampled_from(["{}", '{"a":1}', '{"big":123456789012345678901234567890}']),
        "run": st.sampled_from([None, "r1", "r2"]),
        "ttl": st.sampled_from([None, 60]),
        "reuse": st.booleans(),
    }
)
STEP = st.one_of(
    st.tuples(st.just("commit"), st.lists(_head, min_size=1, max_size=5)),
    st.tuples(st.just("repeat"), st.integers(0, 99)),
    st.tuples(st.just("edit"), _name, st.integers(0, 3), _labels, _labels, st.sampled_from(["", "text"])),
    st.tuples(st.just("delete"), _name, st.integers(0, 3)),
    st.tuples(st.just("link"), _name, st.integers(0, 3), st.sampled_from("pq")),
    st.tuples(st.just("start"), st.sampled_from(["r1", "r2"]), st.sampled_from(["{}", '{"lr":0.5}'])),
    st.tuples(st.just("finish"), st.sampled_from(["r1", "r2"])),
    st.tuples(
        st.just("use"), st.sampled_from(["r1", "r2"]), st.sampled_from(["vision", "shop"]), st.sampled_from("abpq")
    ),
    st.tuples(st.just("draft"), _name, st.integers(0, 3), st.booleans()),
    st.tuples(st.just("deliver")),
)

_PLAIN = {"uid": 1, "aliases": ("x",), "tags": ("y",), "metadata": '{"a":1}', "run": "r1", "ttl": 60}
EVERYTHING = [
    ("start", "r1", '{"lr":0.5}'),
    ("commit", [_PLAIN | {"contents": n, "name": name} for n in (0, 1) for name in "ab"]),
    ("deliver",),
    # Equal contents, from another run: no new version, a warning, an output.
    ("commit", [_PLAIN | {"contents": 1, "name": "a", "description": "other", "run": "r2", "aliases": ()}]),
    ("link", "a", 0, "p"),
    ("link", "b", 1, "p"),
    ("deliver",),
    ("edit_link", "p", 0),
    ("edit", "a", 1, ("z", "x"), ("z", "y"), "text"),
    ("start", "r2", "{}"),
    ("use", "r1", "vision", "a"),
    ("deliver",),
    ("use", "r1", "shop", "p"),
    ("finish", "r2"),
    ("draft", "a", 3, True),
    ("draft", "b", 3, False),
    ("deliver",),
    ("delete", "a", 2),
    ("delete", "b", 0),
]
