"""When workers last looked at what is due; and of a job, how often it failed and lost its worker, apart from how often it was started."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

COUNTS = {"n_failures": "starts that ended in an error", "n_lost": "starts whose worker died"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "looks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False, comment="by any worker, by the database's clock"),
        sa.PrimaryKeyConstraint("name", name=op.f("looks_pkey")),
    )
    for name, comment in COUNTS.items():
        op.add_column("jobs", sa.Column(name, sa.Integer(), nullable=False, server_default="0", comment=comment))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for name in COUNTS:
        op.drop_column("jobs", name)
    op.drop_table("looks")
