"""Playlists that were made on a media server."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "playlists",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("playlist_id", sa.Text(), comment="the media server's own; NULL: about to be made"),
        sa.Column("not_ours", ARRAY(sa.Text()), nullable=False, comment="ids of playlists of this name that were there before"),
        sa.Column("item_ids", ARRAY(sa.Text()), nullable=False, comment="what we put into it, or were about to"),
        sa.Column("is_complete", sa.Boolean(), nullable=False, server_default=sa.text("false"), comment="all of it was put there"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("let_go_at", sa.DateTime(timezone=True), comment="when its user was found to have deleted or renamed it"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("playlists_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "user_id", name=op.f("playlists_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_table("playlists")
