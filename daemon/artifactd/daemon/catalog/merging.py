"""What the version of a draft is told about itself: the texts and labels of all its parts together. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from artifactd.protocol.errors import InvalidRequest

__all__ = ["Merged", "fields_of"]

_MAX_LABELS = 100
_MAX_METADATA = 1 << 20

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(slots=True)
class Merged:
    """Grows part by part, in the order of registration; what a later part says wins."""

    description: str | None = None
    ttl: int | None = None
    aliases: dict[str, None] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    _metadata: dict[str, msgspec.Raw] = field(default_factory=dict)
    _size: int = 0

    @property
    def metadata(self) -> str:
        """The JSON object with the keys of all parts."""
        return msgspec.json.encode(self._metadata).decode()

    def add(
        self, *, description: str | None, ttl: int | None, aliases: list[str], tags: list[str], metadata: str
    ) -> None:
        """Take in what one part says.

        Raises `InvalidRequest` for metadata that `fields_of` refuses, and for more than a version may have.
        """
        self.description = self.description if description is None else description
        self.ttl = self.ttl if ttl is None else ttl
        self.aliases.update(dict.fromkeys(aliases))
        self.tags.update(dict.fromkeys(tags))
        for name, value in fields_of(metadata).items():
            known = self._metadata.get(name)
            self._size += len(value) + (len(name.encode()) + 4 if known is None else -len(known))
            # A copy, which does not keep the rest of this part's metadata in memory.
            self._metadata[name] = value.copy()
        if len(self.aliases) + len(self.tags) > _MAX_LABELS:
            raise InvalidRequest(f"the parts together have more than {_MAX_LABELS} aliases and tags")
        if self._size > _MAX_METADATA:
            raise InvalidRequest(f"the parts together have more than {_MAX_METADATA} bytes of metadata")


def fields_of(metadata: str) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, their values as they were written: numbers of any size survive.

    Raises `InvalidRequest` for anything else.
    """
    try:
        return _fields(metadata)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidRequest(f"metadata is not a JSON object: {error}") from error
