"""Which URLs name a store: one rule for settings and stores, which repeats no secret where one is wrong."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

__all__ = ["check_server_url", "split_store_url", "without_secrets"]

_WANTED = (
    "use file:///dir, s3://bucket/prefix, gs://bucket/prefix or memory:, "
    "without credentials (the SDK's own chain finds them), query or fragment"
)
_SERVER = "use http://host or https://host, with a port if need be, without credentials, query or fragment"
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_SECRETS = re.compile(r"//\S*@|[?#]\S*")


def split_store_url(url: str) -> SplitResult:
    """The parts of a store's URL. Raises `ValueError`, which does not repeat it, for one that is no store's."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_WANTED) from None
    bucket = parts.scheme in ("s3", "gs") and _BUCKET.fullmatch(parts.netloc)
    directory = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
    if parts.query or parts.fragment or not (bucket or directory or url == "memory:"):
        raise ValueError(_WANTED)
    return parts


def check_server_url(url: str) -> str:
    """Return the URL of a server, which may be shown, or raise `ValueError`, which does not repeat it."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError(_SERVER) from None
    if not whole or any(mark in url for mark in "@?#") or any(mark.isspace() for mark in url):
        raise ValueError(_SERVER)
    return url


def without_secrets(text: str) -> str:
    """A text without what may be secret in the URLs in it: user and password, query and fragment."""
    return _SECRETS.sub(lambda found: "//…@" if found[0].startswith("//") else f"{found[0][0]}…", text)
