"""The outbox: what is not in the bucket yet, which at first is all there is."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

from artifactd.daemon.catalog.columns import TEXT

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Every version came with a commit of its own.
_COMMITS = """
INSERT INTO outbox (kind, entity, project, name, version, uid, submission_id, created_at)
SELECT 'collection', entity, project, name, number, uid, submission_id, :now
FROM commits JOIN collections ON collections.id = commits.collection_id
ORDER BY collections.id, number
"""

_RUNS = """
INSERT INTO outbox (kind, entity, project, name, created_at)
SELECT 'run', entity, project, id, :now FROM runs ORDER BY started_at
"""


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger()),
        sa.Column("uid", sa.BigInteger()),
        sa.Column("submission_id", sa.LargeBinary()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.CheckConstraint("kind IN ('collection', 'run')", name=op.f("ck_outbox_kind")),
        sqlite_autoincrement=True,
    )
    for statement in (_COMMITS, _RUNS):
        op.execute(sa.text(statement).bindparams(now=time.time()))
