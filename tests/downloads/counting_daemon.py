"""The daemon, which writes a line to the file `COUNT_GETS` for each object that it fetches from its store."""

from __future__ import annotations

import os
import sys

from artifactd.daemon.__main__ import main
from artifactd.daemon.stores.local.store import LocalStore

_get = LocalStore.get


def _note(key: str) -> None:
    with open(os.environ["COUNT_GETS"], "a") as file:
        file.write(f"{key}\n")


async def _counted_get(store: LocalStore, key: str, fd: int, *, offset: int = 0, length: int | None = None) -> int:
    _note(key)
    return await _get(store, key, fd, offset=offset, length=length)


if __name__ == "__main__":
    LocalStore.get = _counted_get  # type: ignore[method-assign]
    sys.exit(main())
