"""Which URLs name a catalog, and what of one may be shown; it needs no database driver."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["check_catalog_url", "is_shared", "shown_catalog_url"]

_WANTED = "use sqlite:///FILE or postgresql://[USER@]HOST[:PORT]/DATABASE[?OPTION=VALUE&…]"


def check_catalog_url(url: str) -> str:
    """Return the URL of a catalog, or raise `ValueError`, which does not repeat it."""
    try:
        parts = urlsplit(url)
        named = parts.path.strip("/") and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ValueError(_WANTED) from None
    file = parts.scheme == "sqlite" and not parts.netloc and url.startswith("sqlite:///")
    if not named or not (file or parts.scheme == "postgresql") or "#" in url:
        raise ValueError(_WANTED)
    return url


def is_shared(url: str) -> bool:
    """Whether several nodes can use the catalog."""
    return url.startswith("postgresql:")


def shown_catalog_url(url: str) -> str:
    """The URL without what may be secret: user and password, and every option."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
