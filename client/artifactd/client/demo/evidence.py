"""What the daemon has to show in the end: every version, read back and downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifactd.client.client import Client
from artifactd.client.demo.contents import digests_below

__all__ = ["Committed", "read_back"]


@dataclass(frozen=True, slots=True)
class Committed:
    """One version of a collection, and the digests of its files as they were downloaded."""

    version: int
    aliases: tuple[str, ...]
    metadata: Mapping[str, Any]
    digests: Mapping[str, str]


def read_back(client: Client, collection: str, root: Path) -> list[Committed]:
    """Every version of the collection in the order of their numbers, each downloaded to `root/vN`."""
    found = sorted(client.versions(collection), key=lambda version: version.version)
    return [_download(client, f"{collection}:v{version.version}", version.version, root) for version in found]


def _download(client: Client, address: str, number: int, root: Path) -> Committed:
    artifact = client.use_artifact(address)
    directory = Path(artifact.download(root / f"v{number}"))
    return Committed(number, tuple(artifact.aliases), artifact.metadata, digests_below(directory))
