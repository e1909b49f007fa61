"""When rows that were there before were begun: at their first play, or at their last word where no play is kept. The next change of a row
says it in full. Every row is written: on a large server let nothing be told meanwhile."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("""
        UPDATE engagement g
        SET first_at = b.first_at, first_order = b.first_order
        FROM (
            SELECT e.server_id, e.user_id, e.item_id,
                   CASE WHEN p.item_id IS NULL THEN e.last_at ELSE p.first_at END AS first_at,
                   CASE WHEN p.item_id IS NULL THEN e.last_order ELSE p.first_order END AS first_order
            FROM engagement e
            LEFT JOIN (
                SELECT p.server_id, p.user_id, n.item_id, min(p.started_at) AS first_at, min(p.play_order) AS first_order
                FROM plays p
                JOIN entries n ON n.server_id = p.server_id AND n.id = p.entry_id
                GROUP BY p.server_id, p.user_id, n.item_id
            ) AS p ON p.server_id = e.server_id AND p.user_id = e.user_id AND p.item_id = e.item_id
            WHERE e.is_seen
        ) AS b
        WHERE b.server_id = g.server_id AND b.user_id = g.user_id AND b.item_id = g.item_id
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
