"""The look-ups that `look_up_artifactd` makes as bare queries of the same file: prints their median, in seconds.

python -m bench.select_rows FILE COUNT COLLECTIONS VERSIONS
"""

from __future__ import annotations

import json
import sys
from statistics import median
from time import perf_counter

import apsw

from bench.addresses import some

_COLUMNS = (
    "SELECT collections.*, versions.* FROM collections JOIN versions ON versions.collection_id = collections.id"
)
_HERE = "WHERE entity = 'bench' AND project = 'bench' AND collections.name = ? AND deleted_at IS NULL"
_BY_NUMBER = f"{_COLUMNS} {_HERE} AND versions.number = ?"
_BY_ALIAS = (
    f"{_COLUMNS} JOIN aliases ON aliases.collection_id = collections.id AND aliases.number = versions.number "
    f"{_HERE} AND aliases.name = ?"
)


def main(path: str, count: int, collections: int, versions: int) -> None:
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    times = []
    for name, alias in some(count, collections, versions):
        start = perf_counter()
        if alias.startswith("v"):
            rows = db.execute(_BY_NUMBER, (name, int(alias[1:]))).fetchall()
        else:
            rows = db.execute(_BY_ALIAS, (name, alias)).fetchall()
        times.append(perf_counter() - start)
        assert len(rows) == 1
    print(json.dumps({"p50": median(times)}))


main(sys.argv[1], *map(int, sys.argv[2:]))
