"""Webhooks: their secrets, sittings that go on, and what they say is gone; how far a history of plays was read."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "webhooks",
        _server(),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="sha256 of the secret"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("webhooks_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("webhooks_pkey")),
        sa.UniqueConstraint("digest", name=op.f("webhooks_digest_key")),
    )
    op.create_table(
        "sittings",
        _server(),
        sa.Column("key", sa.Uuid(), nullable=False, comment="of device, user and entry: what is told of them is of one sitting at a time"),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position_seconds", sa.Integer(), comment="where in the title; NULL: nobody told"),
        sa.Column("watched_seconds", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False, comment="when it was last heard of"),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("server_id", "key", name=op.f("sittings_pkey")),
    )
    op.create_table(
        "doubted_entries",
        _server(),
        sa.Column("external_id", sa.Text(), nullable=False, comment="said to be gone; the next sync asks"),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("server_id", "external_id", name=op.f("doubted_entries_pkey")),
    )
    op.add_column(
        "connections",
        sa.Column("history_row", sa.BigInteger(), comment="the last row that was read of the Playback Reporting plugin's history"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_column("connections", "history_row")
    for table in ("doubted_entries", "sittings", "webhooks"):
        op.drop_table(table)


def _server() -> sa.Column[int]:
    return sa.Column("server_id", sa.BigInteger(), nullable=False)
