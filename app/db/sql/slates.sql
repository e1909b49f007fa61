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

-- name: forget_slates
DELETE FROM slates s
USING users u
WHERE s.server_id = :server_id AND u.server_id = :server_id AND u.id = s.user_id AND u.is_opted_out;
