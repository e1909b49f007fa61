"""When a like, a dislike, a favourite, a watch-list entry or a hide was said: recency of what was never played."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "engagement", sa.Column("said_at", sa.DateTime(timezone=True), nullable=True, comment="newest standing signal but a rating")
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_column("engagement", "said_at")
