"""Editing, links and lineage: ttl, revisions of aliases, links, and what each run logged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from artifactd.daemon.catalog.columns import TEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _version_key(name: str, prefix: str = "") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [f"{prefix}collection_id", f"{prefix}number"],
        ["versions.collection_id", "versions.number"],
        name=name,
    )


def upgrade() -> None:
    op.add_column("versions", sa.Column("ttl", sa.BigInteger()))
    for table in ("collections", "aliases"):
        op.add_column(table, sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index(
        "ix_collections_entity_project_type_name", "collections", ["entity", "project", "type", "name"]
    )
    op.create_index("ix_runs_entity_project_started_at_id", "runs", ["entity", "project", "started_at", "id"])
    op.create_table(
        "links",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("source_collection_id", sa.Integer(), nullable=False),
        sa.Column("source_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "number", name="pk_links"),
        _version_key("fk_links_versions"),
        _version_key("fk_links_sources", "source_"),
    )
    op.create_index(
        "ix_links_source_collection_id_source_number", "links", ["source_collection_id", "source_number"]
    )
    op.create_table(
        "run_outputs",
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "project", "run", "collection_id", "number", name="pk_run_outputs"),
        _version_key("fk_run_outputs_versions"),
    )
    op.execute(
        "INSERT INTO run_outputs (entity, project, run, collection_id, number) "
        "SELECT entity, project, run, collection_id, number FROM versions "
        "JOIN collections ON collections.id = collection_id WHERE run IS NOT NULL"
    )
