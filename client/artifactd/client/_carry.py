"""Carrying files out of the node's cache: what a download does alike in this process and in its helpers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from artifactd.client._node_cache import NodeCache
from artifactd.client._target import Target
from artifactd.protocol.manifest import Entry

__all__ = ["carry"]


def carry(batch: Sequence[Entry], cache: NodeCache, target: Target, check: Callable[[], None]) -> list[Entry]:
    """Put those files in place that are not there and intact; returns those that the cache does not hold.

    `check` is called for each and may raise. Raises as `Target` does.
    """
    missing = []
    for entry in batch:
        check()
        if not target.has(entry) and not _from_cache(entry, cache, target):
            missing.append(entry)
    return missing


def _from_cache(entry: Entry, cache: NodeCache, target: Target) -> bool:
    source = cache.open(entry.digest)
    if source is None:
        return False
    try:
        if target.put(entry, source):
            return True
    finally:
        os.close(source)
    cache.drop(entry.digest)
    return False
