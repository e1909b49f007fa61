-- name: invalid_indexes
-- Those under way are not whole yet either.
SELECT i.indexrelid::regclass::text AS name
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready) AND n.nspname <> 'pg_toast'
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
ORDER BY name;

-- name: unindexed_spaces
-- Live spaces with a partition of their own and no whole index on it.
SELECT s.id, s.server_id, s.kind, s.status, s.model_name, s.model_digest, s.template_version, s.dimension, s.shelf, s.centre, s.centre_source
FROM spaces s
WHERE s.status = 'live' AND s.shelf = s.id
  AND NOT EXISTS (
      SELECT
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
      JOIN pg_am a ON a.oid = c.relam AND a.amname = 'hnsw'
      WHERE i.indrelid = to_regclass('vectors.shelf_' || s.shelf) AND i.indisvalid
  )
ORDER BY s.id;

-- name: bloated_tables
SELECT relid::regclass::text AS name, n_live_tup AS n_live, n_dead_tup AS n_dead, greatest(last_vacuum, last_autovacuum) AS vacuumed_at
FROM pg_stat_user_tables
WHERE n_dead_tup > :least AND n_dead_tup > :share * n_live_tup
ORDER BY n_dead_tup DESC, name;

-- name: missing_vectors
-- Counted in one pass over each side's key: vectors themselves are not read.
SELECT r.external_id AS server, s.kind, count(*) FILTER (WHERE v.item_id IS NULL) AS n, count(*) AS n_of
FROM spaces s
JOIN servers r ON r.id = s.server_id
JOIN items i ON i.server_id = s.server_id AND i.is_available AND i.entry_id IS NOT NULL
LEFT JOIN item_vectors v ON v.server_id = s.server_id AND v.space_id = s.id AND v.shelf = s.shelf AND v.item_id = i.id
WHERE s.status = 'live'
GROUP BY r.external_id, s.kind
ORDER BY r.external_id, s.kind;

-- name: stale_tastes
-- As tastes.stale_users says, of every server and whatever its recipe.
SELECT r.external_id AS server, s.kind, count(*) AS n_of,
       count(*) FILTER (WHERE t.user_id IS NULL OR t.engagement_version < u.engagement_version OR t.due_at <= :now) AS n
FROM spaces s
JOIN servers r ON r.id = s.server_id
JOIN users u ON u.server_id = s.server_id AND u.engagement_version > 0 AND NOT u.is_opted_out AND u.erased_at IS NULL
LEFT JOIN tastes t ON t.server_id = s.server_id AND t.user_id = u.id AND t.space_id = s.id AND t.facet = 0
WHERE s.status = 'live'
GROUP BY r.external_id, s.kind
ORDER BY r.external_id, s.kind;

-- name: last_learned
SELECT coalesce(extract(epoch FROM max(CAST(card->>'learned_at' AS timestamptz))), 0) FROM spaces WHERE kind = 'collab';
