"""Many daemons and one collector: who takes part, the epoch, what is condemned, and how long versions stay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from artifactd.daemon.catalog.columns import TEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    marks = op.create_table(
        "marks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("release", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_marks"),
        sa.CheckConstraint("id = 1", name="single"),
    )
    op.bulk_insert(marks, [{"id": 1, "epoch": 0, "release": ""}])
    op.create_table(
        "daemons",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("fenced", sa.Boolean, nullable=False),
        sa.Column("oldest_check", sa.BigInteger, nullable=False),
        sa.Column("heard_at", sa.Double, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("release", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_daemons"),
    )
    op.add_column("blobs", sa.Column("condemned", sa.BigInteger))
    op.add_column("blobs", sa.Column("deleting", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_blobs_condemned",
        "blobs",
        ["entity", "digest"],
        postgresql_where=sa.text("condemned IS NOT NULL"),
        sqlite_where=sa.text("condemned IS NOT NULL"),
    )
    op.add_column("collections", sa.Column("ttl", sa.BigInteger))
    op.add_column("collections", sa.Column("keep_last", sa.BigInteger))
    op.add_column("collections", sa.Column("keep_aliased", sa.Boolean, nullable=False, server_default=sa.true()))
