"""Drafts: versions that several writers make together, their parts, and the files that these brought."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from artifactd.daemon.catalog.columns import TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("distributed_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("touched_at", sa.Double(), nullable=False),
        sa.Column("number", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_drafts"),
        sa.UniqueConstraint("entity", "project", "name", "distributed_id", name="uq_drafts"),
        sa.CheckConstraint("state IN ('open', 'closed', 'finished', 'expired')", name=op.f("ck_drafts_state")),
    )
    op.create_index("ix_drafts_state_touched_at", "drafts", ["state", "touched_at"])
    op.create_table(
        "draft_parts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("submission_id", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("writer", TEXT, nullable=False),
        sa.Column("run", TEXT),
        sa.Column("finishes", sa.Boolean(), nullable=False),
        sa.Column("aliases", TEXT, nullable=False),
        sa.Column("tags", TEXT, nullable=False),
        sa.Column("description", TEXT),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("ttl", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_draft_parts"),
        sa.UniqueConstraint("submission_id", "uid", name="uq_draft_parts"),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], name="fk_draft_parts_drafts"),
    )
    op.create_index("ix_draft_parts_draft_id_id", "draft_parts", ["draft_id", "id"])
    op.create_table(
        "draft_entries",
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("directory", sa.Boolean(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reference", TEXT),
        sa.Column("part_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("draft_id", "path", name="pk_draft_entries"),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], name="fk_draft_entries_drafts"),
        sa.ForeignKeyConstraint(["part_id"], ["draft_parts.id"], name="fk_draft_entries_draft_parts"),
    )
    op.create_index("ix_draft_entries_part_id", "draft_entries", ["part_id"])
