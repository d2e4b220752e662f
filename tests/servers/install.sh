#!/bin/bash
# Install the S3 servers that the tests talk to, each into a virtual environment of its own, since they pin
# what the daemon needs in other versions. Does nothing for those that are there.
#
#   PYTHON=python3 tests/servers/install.sh          into $ARTIFACTD_TEST_SERVERS, else .venv-servers
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
target=${ARTIFACTD_TEST_SERVERS:-$here/../../.venv-servers}
python=${PYTHON:-python3}

for server in juicefs ministack swift; do
    requirements=$here/requirements-$server.txt
    venv=$target/$server
    # The copy is written last: an installation that was cut off starts again.
    if cmp -s "$requirements" "$venv/installed.txt"; then
        continue
    fi
    echo "installing $server"
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$venv/installed.txt"
done
