-- name: prune_slates
DELETE FROM slates
WHERE server_id = :server_id
  AND (id, row_id) IN (
      SELECT id, row_id
      FROM slates
      WHERE server_id = :server_id AND served_at < :before
      ORDER BY served_at, id, row_id
      LIMIT :limit
  );

-- name: prune_shown
-- They count for nothing that a person did: only what came of an answer is told by them.
DELETE FROM signals
WHERE server_id = :server_id
  AND (source, source_key) IN (
      SELECT source, source_key
      FROM signals
      WHERE server_id = :server_id AND kind IN ('shown', 'clicked') AND received_at < :before
      ORDER BY received_at, source, source_key
      LIMIT :limit
  );

-- name: forget_slates
DELETE FROM slates s
USING users u
WHERE s.server_id = :server_id AND u.server_id = :server_id AND u.id = s.user_id AND u.is_opted_out;
