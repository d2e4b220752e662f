"""Run the benchmarks and print one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import acceptance, client_blocking, committing, footprint, imports, reading, relogging, store_throughput
from bench.report import Row, machine, table
from bench.workplace import Unavailable, Workplace

FAMILIES: dict[str, Callable[[Workplace], Iterator[Row]]] = {
    "import": imports.measure,
    "one-file": client_blocking.one_file,
    "new-file": client_blocking.new_file,
    "many-files": client_blocking.many_files,
    "many-calls": client_blocking.many_calls,
    "s3-large": store_throughput.large_file,
    "s3-small": store_throughput.small_files,
    "s3-download": store_throughput.download,
    "accept": acceptance.measure,
    "memory": footprint.measure,
    "relog": relogging.measure,
    "download": reading.download,
    "look-up": reading.look_up,
    "commits": committing.throughput,
    "commit-growth": committing.growth,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=FAMILIES, help="only these rows")
    parser.add_argument("--runs", type=int, default=5, help="runs of each contestant (default 5)")
    parser.add_argument("--dir", type=Path, help="where data and homes go: 8 GiB on a disk (default: temporary)")
    options = parser.parse_args()
    rows: list[Row] = []
    skipped: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as root:
        place = Workplace(Path(root), options.runs)
        facts = machine(place.root)
        for name in options.only or FAMILIES:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            try:
                for row in FAMILIES[name](place):
                    rows.append(row)
                    print(f"  {row.verdict}: {row.what}: {row.ratio} (wanted {row.target})", file=sys.stderr)
            except Unavailable as problem:
                skipped.append(f"NOT MEASURED {name}: {problem}")
    print(facts, table(rows), *skipped, sep="\n\n")
    return 1 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
