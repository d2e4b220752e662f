"""Sizes, durations and rates as people read them. Pure."""

from __future__ import annotations

__all__ = ["duration", "size", "transfer"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: float) -> str:
    """`1.5 MiB`."""
    exponent = 0
    while count >= 1024 and exponent < len(_UNITS) - 1:
        count /= 1024
        exponent += 1
    return f"{count:.1f} {_UNITS[exponent]}" if exponent else f"{count:.0f} B"


def duration(seconds: float) -> str:
    """`45s`, `3m10s`, `2h05m`, `4d02h`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def transfer(done: int, total: int, rate: float | None) -> str:
    """`1.0 MiB of 4.0 MiB, 512.0 KiB/s, 6s left`; without the rest if the rate is not known."""
    text = f"{size(done)} of {size(total)}"
    if rate:
        text += f", {size(rate)}/s, {duration((total - done) / rate)} left"
    return text
