"""When rows that were there before were begun: at their first play, or at their last word where no play is kept. The next change of a row
says it in full."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("UPDATE engagement SET first_at = last_at, first_order = last_order WHERE is_seen")
    op.execute("""
        UPDATE engagement g
        SET first_at = least(g.first_at, p.first_at), first_order = least(g.first_order, p.first_order)
        FROM (
            SELECT p.server_id, p.user_id, e.item_id, min(p.started_at) AS first_at, min(p.play_order) AS first_order
            FROM plays p
            JOIN entries e ON e.server_id = p.server_id AND e.id = p.entry_id
            GROUP BY p.server_id, p.user_id, e.item_id
        ) AS p
        WHERE p.server_id = g.server_id AND p.user_id = g.user_id AND p.item_id = g.item_id
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
