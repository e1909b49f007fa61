"""Which make of media server a connection asks: a server's own kind may be changed by whoever names it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column("connections", sa.Column("kind", sa.Text(), nullable=False, server_default="jellyfin", comment="whose API it speaks"))
    op.create_check_constraint(op.f("connections_kind_check"), "connections", "kind IN ('jellyfin', 'emby', 'plex')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_column("connections", "kind")
