"""A catalogue has a version, which a repeated answer is told by; a key remembers when it was last used."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "servers",
        sa.Column(
            "catalogue_version",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="rises with each change of what every answer may show: items, statistics, live vectors, who may be counted",
        ),
    )
    op.add_column("keys", sa.Column("last_used_at", sa.DateTime(timezone=True), comment="to the minute"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_column("keys", "last_used_at")
    op.drop_column("servers", "catalogue_version")
