"""Jobs as people see them: who asked for what, how far it is, what it did. The queue has rows of its own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("server_id", sa.BigInteger(), comment="NULL: every server"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), comment="NULL: everybody"),
        sa.Column("status", sa.Text(), nullable=False, server_default="queued"),
        sa.Column("tick", sa.DateTime(timezone=True), comment="the moment of its schedule that it was started for; NULL: asked for"),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="0", comment="rises with each start; only the last may write"),
        sa.Column("is_cancelling", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("done", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("counters", JSONB(), nullable=False, server_default="{}", comment="what it did"),
        sa.Column("error", sa.Text()),
        sa.Column("queue_id", sa.BigInteger(), comment="of the queue's own row"),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("jobs_status_check")),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("jobs_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
    )
    op.create_index("jobs_tick_idx", "jobs", ["server_id", "name", "tick"], unique=True, postgresql_where=sa.text("tick IS NOT NULL"))
    op.create_index("jobs_server_id_name_idx", "jobs", ["server_id", "name", "id"])
    op.create_index("jobs_open_idx", "jobs", ["name", "server_id"], postgresql_where=sa.text("status IN ('queued', 'running')"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_table("jobs")
