"""The same with obstore, the Rust object_store for Python: prints seconds of wall clock and of the processor.

python -m bench.copy_obstore ENDPOINT put|get PATH DIRECTORY
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time

import obstore
from obstore.store import S3Store

AT_ONCE = 32


async def _put_all(store: S3Store, files: list[Path]) -> None:
    free = asyncio.Semaphore(AT_ONCE)

    async def put(file: Path) -> None:
        async with free:
            await obstore.put_async(store, file.name, file)

    await asyncio.gather(*map(put, files))


def main(endpoint: str, what: str, path: Path, own: Path) -> None:
    store = S3Store(
        "bucket",
        endpoint=endpoint,
        client_options={"allow_http": True, "allow_invalid_certificates": True},
    )
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    start, used = perf_counter(), process_time()
    if what == "put":
        asyncio.run(_put_all(store, files))
    else:
        with (own / path.name).open("wb") as file:
            for piece in obstore.get(store, str(path)).stream(min_chunk_size=1 << 20):
                file.write(piece)
    print(json.dumps({"seconds": perf_counter() - start, "cpu": process_time() - used}))


main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
sys.stdout.flush()
# Its threads now and then abort the interpreter that ends under them.
os._exit(0)
