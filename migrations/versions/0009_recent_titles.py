"""A taste keeps the latest titles that made it: what the second stage looks at. The recipe changes too: all are computed anew."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "tastes",
        sa.Column(
            "recent_ids",
            ARRAY(sa.BigInteger()),
            nullable=False,
            server_default="{}",
            comment="the latest titles watched, newest first",
        ),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_column("tastes", "recent_ids")
