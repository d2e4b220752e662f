"""Who may have what looked up: pure. The administrator's lists are in `[references]`."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from artifactd.daemon.references.addresses import Reach, reach_of
from artifactd.daemon.references.base import Asker
from artifactd.protocol.errors import Denied

__all__ = ["Policy"]

_PORTS = {"http": 80, "https": 443}


class Policy(NamedTuple):
    """`allow` has URL patterns, `scheme://host[:port][/path]` with `*` and `?`, for hosts beyond the public.

    `buckets` lists for each entity what the daemon's own credentials serve when another user asks; its own
    `store`, a URL, never is among them.
    """

    allow: tuple[str, ...]
    buckets: Mapping[str, tuple[str, ...]]
    store: str

    def objection(self, url: str, address: str, asker: Asker) -> str:
        """Why there must be no connection for `url` to a numeric `address`; empty if there may be one."""
        reach = reach_of(address)
        if reach is Reach.PUBLIC or (reach is Reach.PRIVATE and asker.is_own):
            return ""
        if reach is not Reach.NOWHERE and any(_matches(url, pattern) for pattern in self.allow):
            return ""
        return f"it leads to {address}, which is {reach.value} and not listed in references.allow"

    def check_bucket(self, scheme: str, bucket: str, key: str, asker: Asker) -> None:
        """Raise `Denied` unless the daemon's credentials may be used there for the asker."""
        if asker.is_own:
            return
        store = urlsplit(self.store)
        if (store.scheme, store.netloc) == (scheme, bucket) and _overlap(store.path.strip("/"), key.strip("/")):
            raise Denied("the daemon's own store is not for reference", subject=f"{scheme}://{bucket}")
        if bucket not in self.buckets.get(asker.entity, ()):
            raise Denied(
                f"the daemon's credentials do not serve this bucket for the entity {asker.entity!r}",
                subject=f"{scheme}://{bucket}",
                remedy="ask the administrator to list it in [references.buckets]",
            )


def _overlap(one: str, other: str) -> bool:
    """Whether one prefix holds something of the other."""
    return f"{one}/".lstrip("/").startswith(f"{other}/".lstrip("/")) or f"{other}/".lstrip("/").startswith(
        f"{one}/".lstrip("/")
    )


def _matches(url: str, pattern: str) -> bool:
    """Whether the pattern is of this URL. Host and path are compared apart: a `*` does not reach across."""
    scheme, host, path = _parts(url)
    wanted_scheme, wanted_host, wanted_path = _parts(pattern)
    # What a server makes of `..` is its own affair.
    return (
        ".." not in unquote(path).split("/")
        and fnmatchcase(scheme, wanted_scheme)
        and fnmatchcase(host, wanted_host)
        and (not wanted_path or fnmatchcase(path or "/", wanted_path))
    )


def _parts(url: str) -> tuple[str, str, str]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    scheme = scheme.lower()
    host = host.lower().removesuffix(f":{_PORTS.get(scheme)}")
    return scheme, host, (slash + path).partition("?")[0].partition("#")[0]
