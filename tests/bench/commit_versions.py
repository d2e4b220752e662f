"""Writers that each commit one version after the other to a catalog, or insert bare rows beside it. Prints `rate`.

python -m bench.commit_versions URL WRITERS COLLECTIONS SECONDS        0 collections: bare rows
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from time import monotonic

from sqlalchemy import Engine, text

from artifactd.daemon.catalog import Catalog, Committed
from artifactd.daemon.catalog.connecting import connect, parse, writing
from bench.heads import make_head


def committing(catalog: Catalog, writer: int, collections: int) -> Callable[[int], None]:
    def work(number: int) -> None:
        (result,) = catalog.commit([make_head(f"c{writer % collections}", f"{writer}/{number}")])
        assert isinstance(result, Committed)

    return work


def inserting(engine: Engine, writer: int) -> Callable[[int], None]:
    def work(number: int) -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO bare VALUES (:w, :n)"), {"w": writer, "n": number})

    return work


def rate(works: list[Callable[[int], None]], seconds: float) -> float:
    """Transactions a second of all writers together."""
    counts = [0] * len(works)
    begin = threading.Barrier(len(works) + 1)

    def run(writer: int) -> None:
        begin.wait()
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            works[writer](counts[writer])
            counts[writer] += 1

    threads = [threading.Thread(target=run, args=(writer,)) for writer in range(len(works))]
    for thread in threads:
        thread.start()
    begin.wait()
    start = monotonic()
    for thread in threads:
        thread.join()
    return sum(counts) / (monotonic() - start)


def main(url: str, writers: int, collections: int, seconds: float) -> None:
    # One daemon has a SQLite catalog; each of a fleet has connections of its own.
    shared = url.startswith("sqlite")
    catalogs = [Catalog.open(url) for _ in range(1 if shared else writers)]
    engines: list[Engine] = []
    if collections:
        works = [committing(catalogs[n % len(catalogs)], n, collections) for n in range(writers)]
    else:
        engines = [connect(parse(url))[0] for _ in catalogs]
        with writing(engines[0]) as connection:
            connection.execute(text("CREATE TABLE bare (writer BIGINT, number BIGINT)"))
        works = [inserting(engines[n % len(engines)], n) for n in range(writers)]
    found = rate(works, seconds)
    for engine in engines:
        engine.dispose()
    for catalog in catalogs:
        catalog.close()
    print(json.dumps({"rate": found}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
