"""What texts and labels of a version may be, checked where strangers send them."""

from __future__ import annotations

import json

__all__ = ["MAX_LABELS", "is_json_object", "rules_of_texts"]

_MAX_METADATA = 1 << 20
_MAX_DESCRIPTION = 64 << 10
MAX_LABELS = 100
_MAX_TTL = 1 << 40


def rules_of_texts(description: str | None, metadata: str, ttl: int | None) -> dict[str, bool]:
    """Each rule, and whether it holds."""
    return {
        f"a description has at most {_MAX_DESCRIPTION} characters": len(description or "") <= _MAX_DESCRIPTION,
        f"metadata has at most {_MAX_METADATA} bytes": len(metadata) <= _MAX_METADATA,
        "metadata is a JSON object": is_json_object(metadata),
        "a ttl is a positive number of seconds": ttl is None or 0 < ttl <= _MAX_TTL,
    }


def is_json_object(text: str) -> bool:
    """Whether it is the text of a JSON object, without the numbers that JSON does not have."""
    if text == "{}":
        return True
    try:
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
