"""A run's config: a mapping that knows which of its values the daemon has not been told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from artifactd.client._keywords import ignores
from artifactd.client._metadata import pack_json
from artifactd.protocol.errors import InvalidRequest

__all__ = ["Config"]


class Config(Mapping[str, Any]):
    """Keys are set as items or attributes, or by `update`, and stay; what is set is copied as JSON has it.

    A change inside a value is not seen: set the value again. Raises `InvalidRequest` for what JSON can't say.
    """

    _values: dict[str, Any]
    _unsent: dict[str, Any]

    def __init__(self, values: object = None) -> None:
        """`values` is a mapping, an `argparse.Namespace`, or None."""
        self._values = json.loads(pack_json(_as_mapping(values), "config"))
        self._unsent = {}

    def __repr__(self) -> str:
        return repr(self._values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"the config has no {name!r}")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    @ignores("allow_val_change")
    def update(self, values: object) -> None:
        """Set every key of `values`, a mapping or an `argparse.Namespace`: all of them or none."""
        changes = json.loads(pack_json(_as_mapping(values), "config"))
        pack_json(self._values | changes, "config")
        self._values.update(changes)
        self._unsent.update(changes)

    def setdefaults(self, values: object) -> None:
        """Set those keys of `values` that the config lacks."""
        self.update({key: value for key, value in _as_mapping(values).items() if key not in self._values})

    def as_dict(self) -> dict[str, Any]:
        """A copy, which may be changed freely."""
        copy: dict[str, Any] = json.loads(json.dumps(self._values))
        return copy

    def _fresh(self) -> dict[str, Any]:
        """What was set and not yet sent."""
        return dict(self._unsent)

    def _sent(self, values: Mapping[str, Any]) -> None:
        """The daemon has these; a key that was set again meanwhile is still to be sent."""
        for key, value in values.items():
            if self._unsent.get(key) is value:
                del self._unsent[key]


def _as_mapping(values: object) -> dict[str, Any]:
    # Whoever passes a Namespace has imported argparse.
    argparse = sys.modules.get("argparse")
    if argparse is not None and isinstance(values, argparse.Namespace):
        values = vars(values)
    if values is None or isinstance(values, Mapping):
        return dict(values or {})
    raise InvalidRequest(
        f"config must be a dict or an argparse.Namespace, not {type(values).__name__}",
        remedy="read a file of settings first, and pass what it holds",
    )
