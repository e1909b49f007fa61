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
-- Ids rise: what came after a space was learned is beyond the last that has a vector in it, and gets one when it is learned again.
SELECT r.external_id AS server, s.kind, count(*) FILTER (WHERE v.item_id IS NULL) AS n, count(*) AS n_of
FROM spaces s
JOIN servers r ON r.id = s.server_id
JOIN items i ON i.server_id = s.server_id AND i.is_available AND i.entry_id IS NOT NULL
LEFT JOIN LATERAL (
    SELECT l.item_id
    FROM item_vectors l
    WHERE l.server_id = s.server_id AND l.space_id = s.id AND l.shelf = s.shelf
    ORDER BY l.item_id DESC
    LIMIT 1
) AS last ON s.kind <> 'text'
LEFT JOIN item_vectors v ON v.server_id = s.server_id AND v.space_id = s.id AND v.shelf = s.shelf AND v.item_id = i.id
WHERE s.status = 'live' AND (last.item_id IS NULL OR i.id <= last.item_id)
GROUP BY r.external_id, s.kind
ORDER BY r.external_id, s.kind;

-- name: without_text_space
-- Servers from before a moment, with titles; one that is being filled since then is on its way.
SELECT r.external_id
FROM servers r
WHERE r.created_at < :before
  AND EXISTS (SELECT FROM items i WHERE i.server_id = r.id AND i.is_available AND i.entry_id IS NOT NULL)
  AND NOT EXISTS (
      SELECT
      FROM spaces s
      WHERE s.server_id = r.id AND s.kind = 'text' AND (s.status = 'live' OR s.status = 'building' AND s.created_at >= :before)
  )
ORDER BY r.external_id;

-- name: damaged_spaces
SELECT r.external_id AS server, s.fault
FROM spaces s
JOIN servers r ON r.id = s.server_id
WHERE s.status = 'live' AND s.fault IS NOT NULL
ORDER BY r.external_id, s.id;

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

-- name: unlearned
-- Since when plays have waited that count and that nothing was learned from, of each server where there are any and `people` is not what it
-- was learned from (users.state_of_people). Where nothing was learned yet: from enough on.
SELECT r.id, min(p.received_at) AS since
FROM servers r
LEFT JOIN LATERAL (
    SELECT s.card
    FROM spaces s
    WHERE s.server_id = r.id AND s.kind = 'collab' AND s.status IN ('live', 'candidate') AND s.card->>'learned_at' IS NOT NULL
    ORDER BY s.id DESC
    LIMIT 1
) AS l ON true
CROSS JOIN LATERAL (
    SELECT jsonb_build_object(
               'engagement', coalesce(sum(u.engagement_version), 0),
               'left_out', md5(coalesce(string_agg(CAST(u.id AS text), ',' ORDER BY u.id) FILTER (WHERE u.is_opted_out OR u.erased_at IS NOT NULL), ''))
           ) AS people,
           count(*) FILTER (WHERE u.engagement_version > 0 AND NOT u.is_opted_out) AS n_users
    FROM users u
    WHERE u.server_id = r.id
) AS n
JOIN plays p ON p.server_id = r.id AND p.received_at > coalesce(CAST(l.card->>'learned_at' AS timestamptz), '-infinity')
JOIN entries e ON e.server_id = r.id AND e.id = p.entry_id AND e.item_id IS NOT NULL
JOIN users u ON u.server_id = r.id AND u.id = p.user_id AND NOT u.is_opted_out
WHERE l.card->'people' IS DISTINCT FROM n.people
  AND (l.card IS NOT NULL
       OR n.n_users >= :least_users
          AND :enough <= (SELECT count(*) FROM (SELECT FROM engagement g WHERE g.server_id = r.id AND g.is_seen LIMIT :enough) AS counted))
GROUP BY r.id
ORDER BY r.id;

-- name: live_workers
SELECT count(*) FROM procrastinate.procrastinate_workers WHERE last_heartbeat > clock_timestamp() - CAST(:heard_within AS interval);
