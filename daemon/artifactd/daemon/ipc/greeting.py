"""Answering `Hello`: what a client must know before it snapshots its first file."""

from __future__ import annotations

import os
from pathlib import Path

from artifactd.daemon.ipc.access import Peer
from artifactd.protocol import messages

__all__ = ["Greeting"]

INLINE_MANIFEST = 64 << 10
INLINE_PACK = 16 << 10
"""Contents that lie in the journal's row: one sync makes them durable, and no file is made and removed."""

FEATURES = ("base", "drafts", "filters", "references", "reuse", "run_config", "run_filters", "ttl")
"""Fields that an older daemon would ignore: `type`, `name` of listings; `filter` of `GetRuns`; `ttl`, `draft`,
`base`, `reuse` of `Submit`; `config_only` of `StartRun`.

And what it would not understand: drafted entries that are references, and `LookUp`.
"""


class Greeting:
    """Tells each peer the same, but for what depends on its uid."""

    def __init__(self, *, version: str, spool: Path, reserve: int, cache: Path, runs: Path) -> None:
        self._version = version
        self._spool = spool
        self._reserve = reserve
        self._cache = cache
        self._runs = runs

    async def hello(self, peer: Peer, request: messages.Hello) -> messages.Welcome:
        ours = peer.uid == os.geteuid()
        return messages.Welcome(
            daemon_version=self._version,
            features=FEATURES,
            spool=str(self._spool),
            reserve=self._reserve,
            in_place=ours,
            inline_manifest=INLINE_MANIFEST,
            cache=str(self._cache) if ours else "",
            inline_pack=INLINE_PACK,
            runs=str(self._runs),
        )
