"""The type of text columns: both databases sort and compare by code points, as manifests and Python do."""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

__all__ = ["TEXT"]

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
