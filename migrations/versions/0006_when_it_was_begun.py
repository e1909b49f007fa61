"""When a title was begun: where a series counts among what was watched, and what was known at an earlier moment."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column("engagement", sa.Column("first_at", sa.DateTime(timezone=True), nullable=True, comment="when it was begun"))
    op.add_column("engagement", sa.Column("first_order", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_column("engagement", "first_order")
    op.drop_column("engagement", "first_at")
