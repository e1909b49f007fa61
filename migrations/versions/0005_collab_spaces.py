"""Spaces learned from behaviour: what they were learned from, vectors that are only predicted, revisions that wait.

And the checks that the tables always meant: a schema compared by its columns does not show that they are missing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHECKS = {
    ("servers", "kind"): "kind IN ('jellyfin', 'emby', 'plex', 'api')",
    ("items", "kind"): "kind IN ('movie', 'series')",
    ("entries", "kind"): "kind IN ('movie', 'series', 'season', 'episode')",
    ("spaces", "kind"): "kind IN ('text', 'collab', 'two_tower')",
    ("spaces", "status"): "status IN ('building', 'candidate', 'live', 'kept', 'retired')",
    ("spaces", "centre_source"): "centre_source IN ('items', 'model')",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "spaces", sa.Column("card", JSONB, nullable=False, server_default=sa.text("'{}'"), comment="what it was learned from, and how well")
    )
    op.add_column(
        "item_vectors",
        sa.Column("is_predicted", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="from its text: nobody watched it"),
    )
    for (table, column), check in CHECKS.items():
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_check CHECK ({check})")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for table, column in CHECKS:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_check")
    op.execute("UPDATE spaces SET status = 'retired' WHERE status = 'candidate'")
    op.drop_column("item_vectors", "is_predicted")
    op.drop_column("spaces", "card")
