"""Which versions the look-ups ask for: the same for every contestant."""

from __future__ import annotations

import random
from collections.abc import Iterator

__all__ = ["some"]


def some(count: int, collections: int, versions: int) -> Iterator[tuple[str, str]]:
    """Names with an alias or a number, in an order that no cache likes."""
    chosen = random.Random(0)
    for _ in range(count):
        number = f"v{chosen.randrange(versions)}"
        yield f"c{chosen.randrange(collections)}", chosen.choice(["latest", "best", number, number])
