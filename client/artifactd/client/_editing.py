"""What may change of an artifact: set freely while it is a draft, and of a committed version by `save`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from artifactd.client._metadata import pack_json
from artifactd.client._versioned import Versioned
from artifactd.protocol import names
from artifactd.protocol.errors import ArtifactFinalizedError, InvalidRequest
from artifactd.protocol.messages import DeleteVersion, Done, EditVersion, Version

if TYPE_CHECKING:
    from artifactd.client._link import Link
    from artifactd.client.artifact import Artifact

__all__ = ["Editable"]


class Editable(Versioned):
    """Description, metadata, ttl, aliases and tags. Of a link, all but the aliases are its source's."""

    def __init__(self, name: str, description: str | None, metadata: Mapping[str, Any] | None) -> None:
        super().__init__(name)
        self._description = _check_description(description)
        self._metadata: dict[str, Any] = json.loads(pack_json(metadata, "metadata"))
        self._sent_metadata: str | None = None
        self._ttl: int | None = None
        self._aliases: list[str] = []
        self._tags: list[str] = []
        self._finalized = False

    @property
    def description(self) -> str | None:
        """Any text, or None."""
        return self._description

    @description.setter
    def description(self, text: str | None) -> None:
        self._require_editable()
        self._description = _check_description(text)

    @property
    def metadata(self) -> dict[str, Any]:
        """A JSON object, which may be changed in place."""
        return self._metadata

    @metadata.setter
    def metadata(self, value: Mapping[str, Any] | None) -> None:
        self._require_editable()
        self._metadata = json.loads(pack_json(value, "metadata"))

    @property
    def ttl(self) -> timedelta | None:
        """How long the version is to live after `created_at`; None is for ever. May be set to a number of days.

        Recorded only: in this release nothing is deleted when it has run out.
        """
        return None if self._ttl is None else timedelta(seconds=self._ttl)

    @ttl.setter
    def ttl(self, value: timedelta | int | None) -> None:
        self._require_editable()
        self._ttl = _seconds(value)

    @property
    def aliases(self) -> list[str]:
        """Of a committed version: a list to append to, remove from or assign, until `save`."""
        self._require_version("aliases")
        return self._aliases

    @aliases.setter
    def aliases(self, value: Sequence[str]) -> None:
        self._require_version("aliases")
        self._aliases = list(names.check_aliases(_given(value, "aliases")))

    @property
    def tags(self) -> list[str]:
        """Of a committed version: a list like `aliases`."""
        self._require_version("tags")
        return self._tags

    @tags.setter
    def tags(self, value: Sequence[str]) -> None:
        self._require_version("tags")
        self._tags = list(names.check_tags(_given(value, "tags")))

    def save(self) -> None:
        """Write what was changed of a committed version, all of it or nothing.

        Changes of different fields, aliases and tags by several processes all hold; an alias moves here from
        the version that has it. A logged artifact is waited for; a draft is logged, by the active run if there
        is one.

        Raises `Conflict` if the same field changed, or the same alias moved, since this object learned of the
        version, also by an earlier save of this program: look it up again. `ArtifactNotFound` if it was
        deleted, `InvalidRequest`, `DaemonUnavailable`; repeating a call that raised this is safe.

        >>> artifact.description = "two animals"
        >>> artifact.aliases.append("reviewed")
        >>> artifact.save()
        >>> api.artifact("images:reviewed").description
        'two animals'
        """
        if self._handle is not None:
            self._handle.wait()
        elif self._version is None:
            from artifactd.client._defaults import log_artifact

            log_artifact(cast("Artifact", self))
            return
        version, link = self._require_version("save")
        edit = self._edit(version)
        if edit is not None:
            self._settle(link.request(edit, Version), link)

    def delete(self, delete_aliases: bool = False) -> None:
        """Delete the committed version; its number is not used again. Of a link, only the link.

        Its contents stay in the store: in this release nothing removes them. No alias is re-pointed, not even
        `latest`. Raises `InvalidRequest` for a version with aliases, unless `delete_aliases`;
        `ArtifactNotLoggedError`.

        >>> artifact.delete(delete_aliases=True)
        >>> api.artifact_exists("images:v0")
        False
        """
        version, link = self._require_version("delete")
        link.request(
            DeleteVersion(
                entity=version.entity,
                project=version.project,
                name=version.name,
                version=version.version,
                delete_aliases=delete_aliases,
            ),
            Done,
        )

    def unlink(self) -> None:
        """Delete the link with its aliases; its source stays. Raises `InvalidRequest` for what is no link.

        >>> linked = artifact.link("registry/animals")
        >>> linked.unlink()
        >>> api.artifact_exists("registry/animals:v0"), api.artifact_exists("images:v0")
        (False, True)
        """
        if not self.is_link:
            raise InvalidRequest("the version is no link", subject=self.name, remedy="delete() deletes a version")
        self.delete(delete_aliases=True)

    def link(self, target_path: str, aliases: Sequence[str] | None = None) -> Artifact:
        """Link the committed version into the collection `[[entity/]project/]name`; returns the link.

        The link is a version of that collection: it shows these contents, description, metadata and tags, also
        as they change later, and has aliases of its own, `latest` among them. A version that is linked there
        already gets the aliases. A logged artifact is waited for. Raises `Denied` for another entity,
        `InvalidRequest` for a collection of another type, `ArtifactNotLoggedError`, and what `wait` raises.

        >>> linked = artifact.link("registry/animals", aliases=["production"])
        >>> linked.name, linked.source_name
        ('animals:v0', 'images:v0')
        """
        from artifactd.client._linking import link_version

        if self._handle is not None:
            self._handle.wait()
        version, link = self._require_version("link")
        return link_version(link, version, target_path, aliases, entity=version.entity, project=version.project)

    def _settle(self, version: Version, link: Link) -> None:
        """Learn of the version, and take its fields over."""
        changed_in_place = (
            self._version is None
            and self._sent_metadata is not None
            and self._metadata != json.loads(self._sent_metadata)
        )
        self._version, self._link = version, link
        self._description = version.description
        if not changed_in_place:
            self._metadata = json.loads(version.metadata)
        self._ttl = version.ttl
        self._aliases = list(version.aliases)
        self._tags = list(version.tags)
        self._finalized = True

    def _edit(self, seen: Version) -> EditVersion | None:
        """What `save` has to ask for; None if nothing changed."""
        unchanged = EditVersion(
            entity=seen.entity,
            project=seen.project,
            name=seen.name,
            version=seen.version,
            revision=seen.revision,
        )
        metadata = pack_json(self._metadata, "metadata")
        same = metadata == pack_json(json.loads(seen.metadata), "metadata")
        aliases, tags = names.check_aliases(self._aliases), names.check_tags(self._tags)
        edit = replace(
            unchanged,
            description=None if self._description == seen.description else (seen.description, self._description),
            metadata=None if same else (_digest(seen.metadata), metadata),
            ttl=None if self._ttl == seen.ttl else (seen.ttl, self._ttl),
            add_aliases=tuple(alias for alias in aliases if alias not in seen.aliases),
            remove_aliases=tuple(alias for alias in seen.aliases if alias not in aliases),
            add_tags=tuple(tag for tag in tags if tag not in seen.tags),
            remove_tags=tuple(tag for tag in seen.tags if tag not in tags),
        )
        return None if edit == unchanged else edit

    def _require_editable(self) -> None:
        if self._version is None and self._handle is not None:
            self._handle.resolve()
        if self._version is None:
            self._require_open()

    def _require_open(self) -> None:
        if self._finalized:
            raise ArtifactFinalizedError(
                "the artifact is finalized and cannot be changed",
                subject=self._name,
                remedy="make a new Artifact with the same name: it becomes the next version",
            )


def _check_description(text: object) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidRequest(f"description must be a string, not {type(text).__name__}")
    pack_json({"text": text}, "description")
    return text


def _given(labels: Sequence[str], what: str) -> Sequence[str]:
    if labels is None or isinstance(labels, str):
        # In a call they mean "none besides" and "this one too"; assigned, they would drop the others.
        raise InvalidRequest(f"{what} must be a list of strings, not {labels!r}", remedy="assign [] to drop all")
    return labels


def _seconds(ttl: timedelta | int | None) -> int | None:
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | timedelta):
        raise InvalidRequest(f"ttl must be a timedelta or a number of days, not {ttl!r}")
    seconds = ttl * 86_400 if isinstance(ttl, int) else int(ttl.total_seconds())
    if seconds <= 0:
        raise InvalidRequest(f"ttl {ttl} is not positive", remedy="use None to keep the version for ever")
    return seconds


def _digest(text: str) -> bytes:
    from blake3 import blake3

    return blake3(text.encode()).digest()
