"""What the new columns say of rows that were there before; the next change of a row says it in full."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("""
        UPDATE items i
        SET search_key = regexp_replace(normalize(lower(concat_ws(' / ', i.name, nullif(e.body->>'original_name', i.name))), NFKD),
                                        '[\\u0300-\\u036f]', '', 'g'),
            n_episodes = (SELECT count(DISTINCT coalesce(p.season_number || '/' || p.episode_number, 'entry ' || p.id))
                          FROM entries p
                          WHERE p.server_id = i.server_id AND p.item_id = i.id AND p.kind = 'episode' AND p.deleted_at IS NULL
                            AND p.season_number IS DISTINCT FROM 0)
        FROM entries e
        WHERE e.server_id = i.server_id AND e.id = i.entry_id
    """)
    op.execute("""
        UPDATE engagement
        SET played_ratio = completion,
            is_finished = is_seen AND n_episodes = 0 AND coalesce(completion, 1) >= 0.9,
            n_finished = CASE WHEN coalesce(completion, 1) >= 0.9 THEN n_episodes ELSE 0 END
        WHERE is_seen
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
