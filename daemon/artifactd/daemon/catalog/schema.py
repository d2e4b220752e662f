"""The tables of the catalog. Times are Unix seconds, sizes are bytes, digests carry their algorithm."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    false,
    text,
    true,
)

from artifactd.daemon.catalog.columns import TEXT

__all__ = [
    "aliases",
    "blobs",
    "collections",
    "commits",
    "daemons",
    "draft_entries",
    "draft_parts",
    "drafts",
    "links",
    "marks",
    "metadata",
    "outbox",
    "run_inputs",
    "run_outputs",
    "runs",
    "tags",
    "versions",
]

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _version_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["collection_id", "number"], ["versions.collection_id", "versions.number"])


collections = Table(
    "collections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entity", TEXT, nullable=False),
    Column("project", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("next_version", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    # Grows whenever one of the aliases moves.
    Column("revision", BigInteger, nullable=False, server_default="0"),
    # Retention: seconds to live for versions without a ttl of their own, how many of the newest stay whatever
    # their age says, and whether versions with aliases stay.
    Column("ttl", BigInteger),
    Column("keep_last", BigInteger),
    Column("keep_aliased", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("entity", "project", "name"),
    CheckConstraint("next_version >= 0", name="next_version"),
    Index(None, "entity", "project", "type", "name"),
)

versions = Table(
    "versions",
    metadata,
    Column("collection_id", Integer, ForeignKey("collections.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", TEXT, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("description", TEXT),
    Column("metadata", TEXT, nullable=False),
    Column("run", TEXT),
    Column("created_at", Double, nullable=False),
    Column("deleted_at", Double),
    # Seconds to live after created_at.
    Column("ttl", BigInteger),
    PrimaryKeyConstraint("collection_id", "number"),
    CheckConstraint("number >= 0", name="number"),
    CheckConstraint("files >= 0", name="files"),
    CheckConstraint("size >= 0", name="size"),
    Index(None, "collection_id", "digest"),
)

# A version here is a link: it shows the contents, the texts, the tags and the run of its source.
links = Table(
    "links",
    metadata,
    Column("collection_id", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("source_collection_id", Integer, nullable=False),
    Column("source_number", BigInteger, nullable=False),
    PrimaryKeyConstraint("collection_id", "number"),
    _version_key(),
    ForeignKeyConstraint(
        ["source_collection_id", "source_number"],
        ["versions.collection_id", "versions.number"],
        name="fk_links_sources",
    ),
    Index(None, "source_collection_id", "source_number"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("collection_id", Integer, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("number", BigInteger, nullable=False),
    # The collection's when it moved here.
    Column("revision", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("collection_id", "name"),
    _version_key(),
    Index(None, "collection_id", "number"),
)

tags = Table(
    "tags",
    metadata,
    Column("collection_id", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("name", TEXT, nullable=False),
    PrimaryKeyConstraint("collection_id", "number", "name"),
    _version_key(),
)

commits = Table(
    "commits",
    metadata,
    Column("uid", BigInteger, nullable=False),
    Column("submission_id", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("collection_id", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("created", Boolean, nullable=False),
    Column("warning", TEXT),
    # Look-ups name many submissions of many users: the id comes first, and finds them by itself.
    PrimaryKeyConstraint("submission_id", "uid"),
    _version_key(),
)

blobs = Table(
    "blobs",
    metadata,
    Column("entity", TEXT, nullable=False),
    Column("digest", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    # The epoch in which the collector found that nothing refers to it; NULL since somebody relied on it again.
    Column("condemned", BigInteger),
    # Condemned for good: the object may be gone already.
    Column("deleting", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("entity", "digest"),
    CheckConstraint('"offset" >= 0 AND length >= 0', name="extent"),
    Index(
        "ix_blobs_condemned",
        "entity",
        "digest",
        postgresql_where=text("condemned IS NOT NULL"),
        sqlite_where=text("condemned IS NOT NULL"),
    ),
)

# One row. The epoch grows with each sweep of the collector; the release is the one that migrated last.
marks = Table(
    "marks",
    metadata,
    Column("id", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("release", TEXT, nullable=False),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="single"),
)

# Everybody who uploads and commits; see docs/deletion-protocol.md.
daemons = Table(
    "daemons",
    metadata,
    Column("id", TEXT, nullable=False),
    # What the daemon writes counts only while this is the one that it got when it joined.
    Column("generation", BigInteger, nullable=False),
    Column("fenced", Boolean, nullable=False),
    # No submission under way there has looked for blobs in an earlier epoch.
    Column("oldest_check", BigInteger, nullable=False),
    # By the database's clock.
    Column("heard_at", Double, nullable=False),
    Column("host", TEXT, nullable=False),
    Column("release", TEXT, nullable=False),
    PrimaryKeyConstraint("id"),
)

runs = Table(
    "runs",
    metadata,
    Column("entity", TEXT, nullable=False),
    Column("project", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("job_type", TEXT),
    Column("group", TEXT),
    Column("config", TEXT, nullable=False),
    Column("host", TEXT, nullable=False),
    Column("pid", BigInteger, nullable=False),
    # The name of the file that the process which started it last keeps locked; see `crash_run`.
    Column("lock", TEXT),
    Column("state", TEXT, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    PrimaryKeyConstraint("entity", "project", "id"),
    CheckConstraint("state IN ('running', 'finished', 'failed', 'crashed')", name="state"),
    Index(None, "entity", "project", "started_at", "id"),
)

run_inputs = Table(
    "run_inputs",
    metadata,
    Column("entity", TEXT, nullable=False),
    Column("project", TEXT, nullable=False),
    Column("run", TEXT, nullable=False),
    Column("collection_id", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("entity", "project", "run", "collection_id", "number"),
    ForeignKeyConstraint(["entity", "project", "run"], ["runs.entity", "runs.project", "runs.id"]),
    _version_key(),
    Index(None, "collection_id", "number"),
)

# What a run logged, new or equal to a version that was there. The catalog may not know the run.
run_outputs = Table(
    "run_outputs",
    metadata,
    Column("entity", TEXT, nullable=False),
    Column("project", TEXT, nullable=False),
    Column("run", TEXT, nullable=False),
    Column("collection_id", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("entity", "project", "run", "collection_id", "number"),
    _version_key(),
)

# A version that several writers make together. It stays when it has ended, to refuse those who come late.
drafts = Table(
    "drafts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entity", TEXT, nullable=False),
    Column("project", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("distributed_id", TEXT, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("state", TEXT, nullable=False),
    # When the last part was registered, by the database's clock.
    Column("touched_at", Double, nullable=False),
    # Of the version that it became.
    Column("number", BigInteger),
    UniqueConstraint("entity", "project", "name", "distributed_id"),
    CheckConstraint("state IN ('open', 'closed', 'finished', 'expired')", name="state"),
    Index(None, "state", "touched_at"),
)

draft_parts = Table(
    "draft_parts",
    metadata,
    # Ascends in the order of registration.
    Column("id", Integer, primary_key=True),
    Column("draft_id", Integer, ForeignKey("drafts.id"), nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("submission_id", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("writer", TEXT, nullable=False),
    Column("run", TEXT),
    Column("finishes", Boolean, nullable=False),
    # The labels are JSON arrays.
    Column("aliases", TEXT, nullable=False),
    Column("tags", TEXT, nullable=False),
    Column("description", TEXT),
    Column("metadata", TEXT, nullable=False),
    Column("ttl", BigInteger),
    UniqueConstraint("submission_id", "uid"),
    Index(None, "draft_id", "id"),
)

# One row for each file, and one for each directory: a path of one kind keeps out the other. They go when the
# draft ends. The order of paths is that of their UTF-8 bytes, as in manifests.
draft_entries = Table(
    "draft_entries",
    metadata,
    Column("draft_id", Integer, ForeignKey("drafts.id"), nullable=False),
    Column("path", TEXT, nullable=False),
    Column("directory", Boolean, nullable=False),
    Column("digest", TEXT, nullable=False),
    Column("size", BigInteger, nullable=False),
    # A JSON array of URI and extra.
    Column("reference", TEXT),
    # The first part that brought it.
    Column("part_id", Integer, ForeignKey("draft_parts.id"), nullable=False),
    PrimaryKeyConstraint("draft_id", "path"),
    Index(None, "part_id"),
)

# What changed and is not in the bucket yet; see `outbox.changes`. An id is the revision of a record, and never
# comes twice, not even when the table was empty in between.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("entity", TEXT, nullable=False),
    Column("project", TEXT, nullable=False),
    # Of the collection, or the id of the run.
    Column("name", TEXT, nullable=False),
    Column("version", BigInteger),
    Column("uid", BigInteger),
    Column("submission_id", LargeBinary),
    # By the database's clock.
    Column("created_at", Double, nullable=False),
    CheckConstraint("kind IN ('collection', 'run')", name="kind"),
    sqlite_autoincrement=True,
)
