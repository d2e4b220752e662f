"""How long a commit takes in a catalog that has many versions already. Prints `seconds`, the median.

python -m bench.commit_after URL VERSIONS
"""

from __future__ import annotations

import json
import sys
from statistics import median
from time import perf_counter

from sqlalchemy import text

from artifactd.daemon.catalog import Catalog
from artifactd.daemon.catalog.connecting import connect, parse, writing
from bench.heads import make_head

COLLECTIONS = 100
COMMITS = 200

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count) "
_FILL = (
    "INSERT INTO collections (id, entity, project, name, type, next_version, created_at) "
    f"{_NUMBERS} SELECT i + 1, 'team', 'bench', 'c' || i, 'model', :each, 1.0 FROM n",
    "INSERT INTO versions (collection_id, number, digest, files, size, metadata, created_at) "
    f"{_NUMBERS} SELECT i % {COLLECTIONS} + 1, i / {COLLECTIONS}, 'blake3:' || i, 1, 1, '{{}}', 1.0 FROM n",
)


def main(url: str, versions: int) -> None:
    catalog = Catalog.open(url)
    writer, reader = connect(parse(url))
    with writing(writer) as connection:
        connection.execute(text(_FILL[0]), {"count": COLLECTIONS, "each": versions // COLLECTIONS})
        connection.execute(text(_FILL[1]), {"count": versions})
    reader.dispose()
    writer.dispose()
    times: list[float] = []
    for number in range(COMMITS):
        head = make_head(f"c{number % COLLECTIONS}", f"new {number}")
        begin = perf_counter()
        catalog.commit([head])
        times.append(perf_counter() - begin)
    catalog.close()
    print(json.dumps({"seconds": median(times)}))


main(sys.argv[1], int(sys.argv[2]))
