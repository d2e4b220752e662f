"""`artifactd doctor`: examine a store, and say what was found and what follows."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import trio

from artifactd.daemon.console import plain, show
from artifactd.daemon.settings import BadSetting, Settings
from artifactd.daemon.stores.base import StoreUnusable
from artifactd.daemon.stores.doctor.examine import examine
from artifactd.daemon.stores.doctor.report import Report
from artifactd.daemon.stores.factory import store_options

__all__ = ["as_json", "as_lines", "as_table", "run"]

_FAILED = 1
_LEVELS = len("warning")


def run(settings: Settings, *, as_object: bool) -> int:
    """Examine the configured store and print the report; return 0 if artifactd can work with it, else 1.

    Raises `BadSetting` for a store that cannot be opened.
    """
    s3, gcs = store_options(settings.store)
    try:
        report = trio.run(examine, settings.store_url, s3, gcs, show)
    except StoreUnusable as error:
        raise BadSetting(str(error)) from error
    finally:
        show("")
    if as_object:
        print(json.dumps(as_json(report), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        print("\n".join(as_table(report, shutil.get_terminal_size().columns)))
    else:
        print("\n".join(as_lines(report)))
    return 0 if report.works else _FAILED


def as_json(report: Report) -> dict[str, Any]:
    """The object that `docs/doctor.md` describes."""
    return {
        "store": report.url,
        "works": report.works,
        "findings": [asdict(finding) for finding in report.findings],
        "left": list(report.left),
    }


def as_lines(report: Report) -> Iterator[str]:
    """For programs: level, topic, what was found and what follows, with tabs between them; then what was left."""
    for finding in report.findings:
        yield "\t".join(plain(text) for text in (finding.level, finding.topic, finding.found, finding.follows))
    for name in report.left:
        yield f"left\t{plain(name)}"


def as_table(report: Report, width: int) -> Iterator[str]:
    """For people, in lines of at most `width` columns as far as words allow."""
    yield f"store {plain(report.url)}"
    yield ""
    topics = max(len(finding.topic) for finding in report.findings)
    margin = " " * (_LEVELS + topics + 4)
    for finding in report.findings:
        head = f"{finding.level:{_LEVELS}}  {finding.topic:{topics}}  "
        yield from textwrap.wrap(plain(finding.found), width, initial_indent=head, subsequent_indent=margin)
        if finding.follows:
            yield from textwrap.wrap(
                plain(finding.follows), width, initial_indent=f"{margin}→ ", subsequent_indent=f"{margin}  "
            )
    yield ""
    if report.left:
        yield "these probe objects could not be removed:"
        yield from (f"  {plain(name)}" for name in report.left)
    yield (
        "artifactd can work with this store" if report.works else "artifactd cannot work with this store like this"
    )
