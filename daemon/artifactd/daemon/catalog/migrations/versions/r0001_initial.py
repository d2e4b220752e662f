"""The first schema: versions, aliases, tags, commits, blobs, runs and their inputs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from artifactd.daemon.catalog.columns import TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _version_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["collection_id", "number"],
        ["versions.collection_id", "versions.number"],
        name=f"fk_{table}_versions",
    )


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("next_version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("entity", "project", "name", name="uq_collections"),
        sa.CheckConstraint("next_version >= 0", name=op.f("ck_collections_next_version")),
    )
    op.create_table(
        "versions",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("description", TEXT),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("run", TEXT),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("deleted_at", sa.Double()),
        sa.PrimaryKeyConstraint("collection_id", "number", name="pk_versions"),
        sa.CheckConstraint("number >= 0", name=op.f("ck_versions_number")),
        sa.CheckConstraint("files >= 0", name=op.f("ck_versions_files")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_versions_size")),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name="fk_versions_collections"),
    )
    op.create_table(
        "aliases",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "name", name="pk_aliases"),
        _version_key("aliases"),
    )
    op.create_index("ix_aliases_collection_id_number", "aliases", ["collection_id", "number"])
    op.create_table(
        "tags",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "number", "name", name="pk_tags"),
        _version_key("tags"),
    )
    op.create_table(
        "commits",
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("submission_id", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.Boolean(), nullable=False),
        sa.Column("warning", TEXT),
        sa.PrimaryKeyConstraint("submission_id", "uid", name="pk_commits"),
        _version_key("commits"),
    )
    op.create_table(
        "blobs",
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "digest", name="pk_blobs"),
        sa.CheckConstraint('"offset" >= 0 AND length >= 0', name=op.f("ck_blobs_extent")),
    )
    op.create_table(
        "runs",
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("job_type", TEXT),
        sa.Column("group", TEXT),
        sa.Column("config", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.PrimaryKeyConstraint("entity", "project", "id", name="pk_runs"),
        sa.CheckConstraint(
            "state IN ('running', 'finished', 'failed', 'crashed')",
            name=op.f("ck_runs_state"),
        ),
    )
    op.create_table(
        "run_inputs",
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "project", "run", "collection_id", "number", name="pk_run_inputs"),
        sa.ForeignKeyConstraint(
            ["entity", "project", "run"],
            ["runs.entity", "runs.project", "runs.id"],
            name="fk_run_inputs_runs",
        ),
        _version_key("run_inputs"),
    )
    op.create_index("ix_run_inputs_collection_id_number", "run_inputs", ["collection_id", "number"])
