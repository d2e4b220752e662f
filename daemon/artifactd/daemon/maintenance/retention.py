"""`artifactd retention`: how long the versions of a collection stay."""

from __future__ import annotations

import re
from contextlib import closing

from artifactd.daemon.catalog.collector import Collector
from artifactd.daemon.catalog.retention import Policy
from artifactd.daemon.settings import Settings
from artifactd.protocol.errors import ArtifactNotFound

__all__ = ["as_seconds", "run"]

_FAILED = 1
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def as_seconds(text: str) -> int:
    """Seconds of a duration such as `90m`, `36h`, `30d` or `8w`. Raises `ValueError`."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration: use 90m, 36h, 30d or 8w")
    return int(found[1]) * _UNITS[found[2]]


def run(settings: Settings, collection: str | None, policy: Policy | None) -> int:
    """Give `collection`, `entity/project/name`, a policy, or print it, or those of all; 1 if it is not there.

    Raises `CatalogUnusable` and `CatalogUnavailable`.
    """
    with closing(Collector.open(settings.catalog_url)) as collector:
        if collection is not None and policy is not None:
            entity, project, name = collection.split("/")
            try:
                collector.set_policy(entity, project, name, policy)
            except ArtifactNotFound as error:
                print(f"artifactd: error: {error}")
                return _FAILED
        shown = [(address, policy) for address, policy in collector.policies() if collection in (None, address)]
    for address, policy in shown:
        print(f"{address}: {_in_words(policy)}")
    if not shown:
        print(f"{collection or 'every collection'}: all versions stay, but for those with a ttl of their own")
    return 0


def _in_words(policy: Policy) -> str:
    rules = []
    if policy.ttl is not None:
        rules.append(f"older than {_duration(policy.ttl)}")
    if policy.keep_last is not None:
        rules.append(f"not among the newest {policy.keep_last}")
    if policy.keep_aliased:
        rules.append("without an alias")
    return f"versions go that are {' and '.join(rules)}"


def _duration(seconds: int) -> str:
    unit = next(unit for unit, length in reversed(_UNITS.items()) if seconds % length == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
