-- name: lock_shared
-- Plays and signals of a server arrive side by side; while its items are being mapped, they wait.
SELECT pg_advisory_xact_lock_shared(hashtextextended('palate ingest', :server_id));

-- name: create_staged_plays
CREATE TEMP TABLE IF NOT EXISTS staged_plays (
    index int, source_key uuid, user_external_id text COLLATE "C", entry_external_id text COLLATE "C",
    started_at timestamptz, play_order bigint, played_seconds int, percent real, is_completed boolean, recommendation_id uuid
) ON COMMIT DELETE ROWS;

-- name: create_staged_signals
CREATE TEMP TABLE IF NOT EXISTS staged_signals (
    index int, source_key uuid, user_external_id text COLLATE "C", entry_external_id text COLLATE "C",
    kind text, value real, at timestamptz, signal_order bigint, recommendation_id uuid
) ON COMMIT DELETE ROWS;

-- name: name_users
-- Sorted, as everywhere: two transactions that take the same locks take them in the same order.
INSERT INTO users (server_id, external_id)
SELECT :server_id, s.user_external_id
FROM (SELECT DISTINCT user_external_id FROM {staged}) AS s
WHERE NOT EXISTS (SELECT FROM users u WHERE u.server_id = :server_id AND u.external_id = s.user_external_id)
ORDER BY s.user_external_id
ON CONFLICT DO NOTHING;

-- name: name_entries
INSERT INTO entries (server_id, external_id)
SELECT :server_id, s.entry_external_id
FROM (SELECT DISTINCT entry_external_id FROM {staged}) AS s
WHERE NOT EXISTS (SELECT FROM entries e WHERE e.server_id = :server_id AND e.external_id = s.entry_external_id)
ORDER BY s.entry_external_id
ON CONFLICT DO NOTHING;

-- name: lock_users
SELECT u.id
FROM users u
WHERE u.server_id = :server_id AND u.external_id IN (SELECT user_external_id FROM {staged})
ORDER BY u.external_id COLLATE "C"
FOR NO KEY UPDATE;

-- name: refuse_erased
DELETE FROM {staged} s
USING users u
WHERE u.server_id = :server_id AND u.external_id = s.user_external_id AND u.erased_at IS NOT NULL
RETURNING s.index;

-- name: refuse_taken
DELETE FROM {staged} s
USING {stored} p
JOIN users u ON u.server_id = :server_id AND u.id = p.user_id
JOIN entries e ON e.server_id = :server_id AND e.id = p.entry_id
WHERE p.server_id = :server_id AND p.source = :source AND p.source_key = s.source_key
  AND (u.external_id <> s.user_external_id OR e.external_id <> s.entry_external_id)
RETURNING s.index;

-- name: write_plays
-- A play may grow while it lasts, and its news may overtake each other: the most that was said stands.
WITH written AS (
    INSERT INTO plays AS p (server_id, source, source_key, user_id, entry_id, started_at, play_order, played_seconds,
                            percent, is_completed, recommendation_id, import_ids)
    SELECT :server_id, :source, s.source_key, min(u.id), min(e.id), min(s.started_at), min(s.play_order), max(s.played_seconds),
           max(s.percent), bool_or(s.is_completed), min(s.recommendation_id::text)::uuid,
           CAST(:import_ids AS bigint[])
    FROM staged_plays s
    JOIN users u ON u.server_id = :server_id AND u.external_id = s.user_external_id
    JOIN entries e ON e.server_id = :server_id AND e.external_id = s.entry_external_id
    GROUP BY s.source_key
    ORDER BY s.source_key
    ON CONFLICT (server_id, source, source_key) DO UPDATE SET
        started_at = least(p.started_at, excluded.started_at),
        play_order = least(p.play_order, excluded.play_order),
        played_seconds = greatest(p.played_seconds, excluded.played_seconds),
        percent = greatest(p.percent, excluded.percent),
        is_completed = coalesce(p.is_completed OR excluded.is_completed, p.is_completed, excluded.is_completed),
        recommendation_id = least(p.recommendation_id, excluded.recommendation_id)
    WHERE (least(p.started_at, excluded.started_at), least(p.play_order, excluded.play_order),
           greatest(p.played_seconds, excluded.played_seconds), greatest(p.percent, excluded.percent),
           coalesce(p.is_completed OR excluded.is_completed, p.is_completed, excluded.is_completed),
           least(p.recommendation_id, excluded.recommendation_id))
          IS DISTINCT FROM
          (p.started_at, p.play_order, p.played_seconds, p.percent, p.is_completed, p.recommendation_id)
    RETURNING p.user_id, p.entry_id, xmax = 0 AS is_new
),
touching AS (
    INSERT INTO touched (user_id, item_id)
    SELECT w.user_id, e.item_id
    FROM written w
    JOIN entries e ON e.server_id = :server_id AND e.id = w.entry_id
    WHERE e.item_id IS NOT NULL
)
SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE NOT is_new) AS updated FROM written;

-- name: write_signals
WITH written AS (
    INSERT INTO signals AS g (server_id, source, source_key, user_id, entry_id, kind, value, at, signal_order, recommendation_id, received_at, import_ids)
    SELECT :server_id, :source, s.source_key, u.id, e.id, s.kind, s.value, s.at, s.signal_order, s.recommendation_id,
           -- Within a call, what stands later came later.
           now() + make_interval(secs => s.index / 1e6), CAST(:import_ids AS bigint[])
    FROM staged_signals s
    JOIN users u ON u.server_id = :server_id AND u.external_id = s.user_external_id
    JOIN entries e ON e.server_id = :server_id AND e.external_id = s.entry_external_id
    ORDER BY s.source_key
    ON CONFLICT (server_id, source, source_key) DO UPDATE SET
        kind = excluded.kind, value = excluded.value, at = excluded.at, signal_order = excluded.signal_order,
        recommendation_id = excluded.recommendation_id, received_at = excluded.received_at
    WHERE (g.kind, g.value, g.at, g.signal_order, g.recommendation_id)
          IS DISTINCT FROM (excluded.kind, excluded.value, excluded.at, excluded.signal_order, excluded.recommendation_id)
    RETURNING g.user_id, g.entry_id, g.kind, xmax = 0 AS is_new
),
touching AS (
    INSERT INTO touched (user_id, item_id)
    SELECT w.user_id, e.item_id
    FROM written w
    JOIN entries e ON e.server_id = :server_id AND e.id = w.entry_id
    WHERE e.item_id IS NOT NULL AND w.kind NOT IN ('shown', 'clicked')
)
SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE NOT is_new) AS updated FROM written;

-- name: add_import
-- What came before by other imports came by this one too. What came otherwise stays when imports are taken back.
UPDATE {stored} p
SET import_ids = p.import_ids || CAST(:import_ids AS bigint[])
FROM {staged} s
WHERE p.server_id = :server_id AND p.source = :source AND p.source_key = s.source_key
  AND p.import_ids IS NOT NULL AND NOT p.import_ids @> CAST(:import_ids AS bigint[]);
