"""`artifactd doctor`: try what a store can do, with a few objects of our own, and take them away again.

Each kind of store contributes an `Examination`; what they find is put together here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import trio

from artifactd.daemon.store_url import split_store_url
from artifactd.daemon.stores.doctor.report import Finding, Hopeless, Level, Report
from artifactd.daemon.stores.gcs.options import GCSOptions
from artifactd.daemon.stores.s3.options import S3Options

__all__ = ["Examination", "examine"]

STEP_SECONDS = 120.0
"""How long one step may take: 8 MiB pass a line of 1 Mbit/s in it."""
CLEAN_UP_SECONDS = 20.0

_IN_MEMORY = Finding("store", Level.WARNING, "memory", "objects are kept in memory", "they end with the daemon")

Step = tuple[str, Callable[[], Awaitable[list[Finding]]]]
"""What it tries, in words for people who wait, and the trying."""


class Examination(Protocol):
    """One store under examination."""

    url: str

    @property
    def steps(self) -> Sequence[Step]:
        """What to try, in this order. A step raises `Hopeless` where the following ones would be pointless."""

    def conclude(self) -> list[Finding]:
        """What all steps together say."""

    async def clean_up(self) -> None:
        """Remove what the steps made."""

    @property
    def left(self) -> Sequence[str]:
        """What they made and is still there."""


async def examine(url: str, s3: S3Options, gcs: GCSOptions, progress: Callable[[str], None]) -> Report:
    """Examine the store at `url`, telling `progress` of each step before it is done.

    Raises `ValueError` for a URL that is no store's, and `StoreUnusable`. Cancelled, it removes what it made,
    within a deadline.
    """
    if url == "memory:":
        return Report(url, (_IN_MEMORY,), ())
    async with _open(url, s3, gcs) as examination:
        findings: list[Finding] = []
        try:
            for title, step in examination.steps:
                progress(title)
                with trio.fail_after(STEP_SECONDS):
                    findings += await step()
            findings += examination.conclude()
        except Hopeless as problem:
            findings.append(problem.finding)
        except trio.TooSlowError:
            findings.append(_too_slow(title))
        finally:
            progress("removing the probe objects")
            with trio.move_on_after(CLEAN_UP_SECONDS, shield=True):
                await examination.clean_up()
        return Report(examination.url, tuple(findings), tuple(examination.left))


def _too_slow(title: str) -> Finding:
    found = f"{title}: not done after {STEP_SECONDS:.0f} s"
    return Finding("time", Level.FAILURE, STEP_SECONDS, found, "look at the network and the server's load")


@asynccontextmanager
async def _open(url: str, s3: S3Options, gcs: GCSOptions) -> AsyncIterator[Examination]:
    parts = split_store_url(url)
    if parts.scheme == "s3":
        from artifactd.daemon.stores.doctor import s3 as doctor_s3

        async with doctor_s3.open_examination(parts.netloc, parts.path.strip("/"), s3) as examination:
            yield examination
    elif parts.scheme == "gs":
        from artifactd.daemon.stores.doctor import gcs as doctor_gcs

        async with doctor_gcs.open_examination(parts.netloc, parts.path.strip("/"), gcs) as bucket:
            yield bucket
    else:
        assert parts.scheme == "file", f"nobody examines {parts.scheme}: stores"
        from artifactd.daemon.stores.doctor.local import LocalExamination

        yield LocalExamination(Path(unquote(parts.path)))
