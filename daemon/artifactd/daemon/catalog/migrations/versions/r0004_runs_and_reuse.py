"""Crashed runs and reuse: which lock a run's process holds, and versions by their contents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from artifactd.daemon.catalog.columns import TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("lock", TEXT))
    op.create_index("ix_versions_collection_id_digest", "versions", ["collection_id", "digest"])
