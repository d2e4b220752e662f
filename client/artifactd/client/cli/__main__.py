"""`python -m artifactd.client.cli`: the `artifactd` command where the script is not installed."""

import sys

from artifactd.client.cli import main

if __name__ == "__main__":
    sys.exit(main())
