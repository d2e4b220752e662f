"""`python -m artifactd.client.demo`: what it needs, where it runs, and how it ends."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

__all__ = ["main"]

_FAILED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell the story in a temporary home; 0 if every promise held, 1 if one did not or the demo broke down."""
    options = _parser().parse_args(arguments)
    if find_spec("sklearn") is None:
        print("artifactd: error: the demo needs scikit-learn (pip install 'artifactd[demo]')", file=sys.stderr)
        return _FAILED
    from artifactd.client.demo.failure import DemoFailed
    from artifactd.client.demo.story import tell
    from artifactd.protocol.errors import ArtifactdError

    home = Path(tempfile.mkdtemp(prefix="artifactd-demo-"))
    _use(home)
    # Whoever ends the demo ends its daemon and its processes too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return 0 if tell(home) else _FAILED
    except (DemoFailed, ArtifactdError) as error:
        print(f"artifactd: error: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        if options.keep:
            print(f"kept: ARTIFACTD_HOME={home}")
        else:
            shutil.rmtree(home)


def _use(home: Path) -> None:
    """Point the demo's daemon and all of its processes at `home`, whatever the user has configured."""
    for name in [name for name in os.environ if name.startswith("ARTIFACTD_")]:
        del os.environ[name]
    os.environ["ARTIFACTD_HOME"] = str(home)
    # Four processes train at once; numpy's own threads would only get into each other's way.
    os.environ["OMP_NUM_THREADS"] = "1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="artifactd demo",
        description="Four processes train a model each and log every checkpoint, one logs a dataset; half-way the "
        "daemon is killed. Then every promise is checked. Takes under a minute and leaves nothing behind.",
    )
    parser.add_argument("--keep", action="store_true", help="keep the daemon's home, to look around in it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
