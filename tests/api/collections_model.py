"""The rules of collections once more, one call at a time and with no daemon, to compare the API with.

Each method does what a call of the API promises, and raises what that raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from artifactd.client import ArtifactFailed, ArtifactNotFound, Conflict, InvalidRequest

__all__ = ["About", "Contents", "Fields", "Model", "Seen"]

Contents = bytes
Place = tuple[str, int]
"""A collection's name, and the number of a version."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What may be edited, as one who looks sees it."""

    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """A version as it was when somebody looked; `when` tells which moves of aliases came later."""

    place: Place
    fields: Fields
    when: int


@dataclass(slots=True)
class About:
    """What is said of contents: a link shows its source's, by holding the same object."""

    description: str | None
    metadata: Mapping[str, Any]
    tags: frozenset[str]


@dataclass(slots=True)
class Version:
    contents: Contents
    about: About
    source: Place
    """Its own place, or that of the version that it is a link to."""
    is_deleted: bool = False


@dataclass(slots=True)
class Pointer:
    """Where an alias points, and since when."""

    number: int
    moved: int


@dataclass(slots=True)
class Collection:
    """Versions by number: the next number is their count, since none is ever taken out."""

    type: str
    versions: list[Version] = field(default_factory=list)
    aliases: dict[str, Pointer] = field(default_factory=dict)

    def live(self) -> list[int]:
        return [number for number, version in enumerate(self.versions) if not version.is_deleted]

    def pointing(self, number: int) -> frozenset[str]:
        return frozenset(alias for alias, pointer in self.aliases.items() if pointer.number == number)


NOBODY = -1
"""The producer of what no run logged."""


class Model:
    """All collections of one project, by name, and what each of its runs logged and used."""

    def __init__(self) -> None:
        self.collections: dict[str, Collection] = {}
        self._clock = 0
        self._logged: set[tuple[int, Place]] = set()
        self._used: set[tuple[int, Place]] = set()

    def log(
        self, run: int, name: str, type: str, contents: Contents, about: About, aliases: Iterable[str]
    ) -> tuple[Place, bool]:
        """The version that this becomes, and whether a warning says that something given was ignored."""
        collection = self.collections.setdefault(name, Collection(type))
        if collection.type != type:
            raise ArtifactFailed("the collection has another type")
        number = len(collection.versions) - 1
        newest = collection.versions[-1] if collection.versions else None
        ignored = False
        if newest is None or newest.is_deleted or newest.contents != contents:
            number += 1
            collection.versions.append(Version(contents, about, (name, number)))
        else:
            kept = newest.about
            ignored = any(
                given and given != known
                for given, known in (
                    (about.description, kept.description),
                    (about.metadata, kept.metadata),
                    (about.tags, kept.tags),
                )
            )
        self._move(collection, {*aliases, "latest"}, number)
        self._logged.add((run, (name, number)))
        return (name, number), ignored

    def use_unlogged(self, run: int, name: str, type: str, contents: Contents) -> tuple[Place, bool]:
        """The newest version with these contents; else they are logged, by nobody."""
        collection = self.collections.get(name)
        equal = []
        if collection is not None and collection.type == type:
            equal = [number for number in collection.live() if collection.versions[number].contents == contents]
        if equal:
            place, ignored = (name, max(equal)), False
        else:
            place, ignored = self.log(NOBODY, name, type, contents, About(None, {}, frozenset()), ())
        self._used.add((run, self._at(place)[1].source))
        return place, ignored

    def write_together(
        self, runs: Iterable[int], name: str, type: str, contents: Contents, aliases: Iterable[str]
    ) -> tuple[Place, bool]:
        """The version of a draft to which every run brought the same; the last finished it."""
        *others, last = runs
        place, ignored = self.log(last, name, type, contents, About(None, {}, frozenset()), aliases)
        self._logged.update((run, place) for run in others)
        return place, ignored

    def use(self, run: int, name: str, alias: str) -> Seen:
        collection = self.collections.get(name)
        if collection is None:
            raise ArtifactNotFound("no such collection")
        if alias in collection.aliases:
            number = collection.aliases[alias].number
        else:
            number = int(alias[1:]) if alias[1:].isdigit() else -1
        if number not in collection.live():
            raise ArtifactNotFound("no such version")
        self._used.add((run, collection.versions[number].source))
        return self.see((name, number))

    def logged(self, run: int) -> set[Place]:
        return {place for other, place in self._logged if other == run and not self._at(place)[1].is_deleted}

    def used(self, run: int) -> set[Place]:
        """Of a link its source."""
        return {place for other, place in self._used if other == run and not self._at(place)[1].is_deleted}

    def see(self, place: Place) -> Seen:
        collection, version = self._at(place)
        about = version.about
        fields = Fields(about.description, about.metadata, collection.pointing(place[1]), about.tags)
        return Seen(place, fields, self._clock)

    def save(self, seen: Seen, wanted: Fields) -> Seen:
        """Make a version what the editor wants, who knows it as `seen`."""
        if wanted == seen.fields:
            return seen
        collection, version = self._at(seen.place)
        about, number = version.about, seen.place[1]
        if version.is_deleted:
            raise ArtifactNotFound("it was deleted")
        for text in ("description", "metadata"):
            old, new, now = (getattr(fields, text) for fields in (seen.fields, wanted, about))
            if new != old and now not in (old, new):
                raise Conflict(text)
        added = wanted.aliases - seen.fields.aliases
        for pointer in (collection.aliases[alias] for alias in added if alias in collection.aliases):
            if pointer.number != number and pointer.moved > seen.when:
                raise Conflict("an alias")
        for text in ("description", "metadata"):
            if getattr(wanted, text) != getattr(seen.fields, text):
                setattr(about, text, getattr(wanted, text))
        about.tags = about.tags - (seen.fields.tags - wanted.tags) | (wanted.tags - seen.fields.tags)
        self._move(collection, added, number)
        for alias in (seen.fields.aliases - wanted.aliases) & collection.pointing(number):
            del collection.aliases[alias]
        return self.see(seen.place)

    def delete(self, place: Place, delete_aliases: bool) -> None:
        collection, version = self._at(place)
        if version.is_deleted:
            return
        pointing = collection.pointing(place[1])
        if pointing and not delete_aliases:
            raise InvalidRequest("it has aliases")
        version.is_deleted = True
        for alias in pointing:
            del collection.aliases[alias]

    def link(self, place: Place, target: str, aliases: Iterable[str]) -> Place:
        """Link a version, or the source of a link, into the collection `target`."""
        collection, version = self._at(place)
        if version.is_deleted:
            raise ArtifactNotFound("it was deleted")
        if target == version.source[0]:
            raise InvalidRequest("its own collection")
        into = self.collections.setdefault(target, Collection(collection.type))
        if into.type != collection.type:
            raise InvalidRequest("a collection of another type")
        there = [number for number in into.live() if into.versions[number].source == version.source]
        if not there:
            there = [len(into.versions)]
            into.versions.append(Version(version.contents, version.about, version.source))
        self._move(into, {*aliases, "latest"}, there[0])
        return target, there[0]

    def _at(self, place: Place) -> tuple[Collection, Version]:
        collection = self.collections[place[0]]
        return collection, collection.versions[place[1]]

    def _move(self, collection: Collection, aliases: Iterable[str], number: int) -> None:
        self._clock += 1
        for alias in aliases:
            if alias not in collection.aliases or collection.aliases[alias].number != number:
                collection.aliases[alias] = Pointer(number, self._clock)
