"""Connections to media servers; what each user may see where the media server was asked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "users",
        sa.Column("grant_id", sa.BigInteger(), comment="the titles that the media server shows this user; NULL: all that the rest allows"),
    )
    op.add_column("users", sa.Column("policy_digest", sa.Text(), comment="of the policy under which the media server was asked for them"))
    op.create_table(
        "grants",
        _server(),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="sha256 of its entries' ids"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("grants_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("grants_pkey")),
        sa.UniqueConstraint("server_id", "digest", name=op.f("grants_server_id_digest_key")),
    )
    op.create_table(
        "granted_entries",
        _server(),
        sa.Column("grant_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "grant_id", "entry_id", name=op.f("granted_entries_pkey")),
    )
    op.create_table(
        "connections",
        _server(),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False, comment="encrypted with PALATE_SECRET_KEY; no endpoint answers it"),
        sa.Column("media_server_id", sa.Text(), nullable=False, comment="its own: another server at the same address is found out by it"),
        sa.Column(
            "synced_until",
            sa.DateTime(timezone=True),
            comment="by the media server's clock: what was saved before is here; NULL: nothing yet",
        ),
        sa.Column("swept_at", sa.DateTime(timezone=True), comment="when its ids were last compared with ours, by our clock"),
        sa.Column("held", JSONB(), nullable=False, server_default="{}", comment="libraries that are gone, or mostly, and were kept: why"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("connections_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", name=op.f("connections_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for table in ("connections", "granted_entries", "grants"):
        op.drop_table(table)
    op.drop_column("users", "policy_digest")
    op.drop_column("users", "grant_id")


def _server() -> sa.Column[int]:
    return sa.Column("server_id", sa.BigInteger(), nullable=False)
