"""What an examination of a store says: plain values, and the one verdict drawn from them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

__all__ = ["PROBES", "Finding", "Hopeless", "Level", "Report", "Role", "judge_endpoint"]

PROBES = "artifactd-probe"
"""The prefix of all objects that an examination makes. No entity may have this name."""


class Level(StrEnum):
    """What a finding means for artifactd."""

    OK = "ok"
    NOTE = "note"
    """Not as it could be, and nothing to do about it."""
    WARNING = "warning"
    """It works; somebody should look at it."""
    FAILURE = "failure"
    """artifactd cannot work like this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `value` is what was found for programs, `found` for people.

    `follows` says what artifactd makes of it, or what an operator should do.
    """

    topic: str
    level: Level
    value: str | float | bool | None
    found: str
    follows: str = ""


class Hopeless(Exception):
    """Nothing more can be learnt: the finding says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.found)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Role:
    """Who needs what of a store. A daemon that works with it is its uploader and its reader."""

    name: str
    needs: frozenset[str]
    daemon: bool

    def judge(self, denied: Mapping[str, str], untested: frozenset[str]) -> Finding:
        """Compare with the permissions that were denied, each with the server's words, or could not be tried."""
        topic = f"role {self.name}"
        missing = sorted(self.needs & denied.keys())
        unknown = sorted(self.needs & untested)
        if missing:
            reasons = "; ".join(f"{permission} ({denied[permission]})" for permission in missing)
            level = Level.FAILURE if self.daemon else Level.NOTE
            follows = "grant it to these credentials" if self.daemon else f"right, unless they are for {self.name}"
            return Finding(topic, level, False, f"lacks {reasons}", follows)
        if unknown:
            return Finding(topic, Level.NOTE, None, f"could not try {', '.join(unknown)}")
        return Finding(topic, Level.OK, True, "the credentials suffice")


@dataclass(frozen=True, slots=True)
class Report:
    """An examination that is over. `left` are the objects that could not be removed again."""

    url: str
    findings: tuple[Finding, ...]
    left: tuple[str, ...]

    @property
    def works(self) -> bool:
        return all(finding.level is not Level.FAILURE for finding in self.findings)


def judge_endpoint(url: str) -> Finding:
    """Say how the server at `url`, which has no credentials in it, is talked to."""
    if url.startswith("https:"):
        return Finding("endpoint", Level.OK, url, f"{url}, by TLS")
    if _is_here(urlsplit(url).hostname or ""):
        return Finding("endpoint", Level.OK, url, f"{url}, without TLS on this machine")
    follows = (
        "use https: the network sees every byte, and only TLS detects damage where checksums are not verified"
    )
    return Finding("endpoint", Level.WARNING, url, f"{url}, without TLS", follows)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
