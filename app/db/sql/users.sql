-- name: create_staged_users
CREATE TEMP TABLE IF NOT EXISTS staged_users (
    index int, user_external_id text COLLATE "C", name text, is_disabled boolean, library_external_ids text[], max_parental_age smallint,
    blocked_tags text[], allowed_tags text[], is_opted_out boolean
) ON COMMIT DELETE ROWS;

-- name: name_libraries
INSERT INTO libraries (server_id, external_id)
SELECT DISTINCT CAST(:server_id AS bigint), library
FROM staged_users s
CROSS JOIN unnest(s.library_external_ids) AS library
ORDER BY library
ON CONFLICT DO NOTHING;

-- name: write_users
WITH given_libraries AS MATERIALIZED (
    SELECT s.user_external_id AS external_id, array_agg(l.id ORDER BY l.id) FILTER (WHERE l.id IS NOT NULL) AS library_ids
    FROM staged_users s
    LEFT JOIN libraries l ON l.server_id = :server_id AND l.external_id = ANY (s.library_external_ids)
    GROUP BY s.user_external_id
),
had_libraries AS MATERIALIZED (
    SELECT s.user_external_id AS external_id, array_agg(ul.library_id ORDER BY ul.library_id) AS library_ids
    FROM staged_users s
    JOIN users u ON u.server_id = :server_id AND u.external_id = s.user_external_id
    JOIN user_libraries ul ON ul.server_id = :server_id AND ul.user_id = u.id
    GROUP BY s.user_external_id
),
written AS (
    UPDATE users u
    SET name = s.name, is_disabled = s.is_disabled, has_all_libraries = s.library_external_ids IS NULL,
        max_parental_age = s.max_parental_age, blocked_tags = s.blocked_tags, allowed_tags = s.allowed_tags, is_opted_out = s.is_opted_out
    FROM staged_users s
    JOIN users before ON before.server_id = :server_id AND before.external_id = s.user_external_id
    WHERE u.server_id = :server_id AND u.id = before.id
      AND ((u.name, u.is_disabled, u.has_all_libraries, u.max_parental_age, u.blocked_tags, u.allowed_tags, u.is_opted_out)
           IS DISTINCT FROM (s.name, s.is_disabled, s.library_external_ids IS NULL, s.max_parental_age, s.blocked_tags, s.allowed_tags, s.is_opted_out)
           OR (SELECT library_ids FROM given_libraries g WHERE g.external_id = u.external_id)
              IS DISTINCT FROM (SELECT library_ids FROM had_libraries h WHERE h.external_id = u.external_id))
    RETURNING before.name IS NULL AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE NOT is_new) AS updated FROM written;

-- name: leave_libraries
DELETE FROM user_libraries ul
USING staged_users s
JOIN users u ON u.server_id = :server_id AND u.external_id = s.user_external_id
WHERE ul.server_id = :server_id AND ul.user_id = u.id
  AND NOT EXISTS (
      SELECT FROM libraries l
      WHERE l.server_id = :server_id AND l.id = ul.library_id AND l.external_id = ANY (s.library_external_ids)
  );

-- name: join_libraries
INSERT INTO user_libraries (server_id, user_id, library_id)
SELECT :server_id, u.id, l.id
FROM staged_users s
JOIN users u ON u.server_id = :server_id AND u.external_id = s.user_external_id
JOIN libraries l ON l.server_id = :server_id AND l.external_id = ANY (s.library_external_ids)
ORDER BY u.id, l.id
ON CONFLICT DO NOTHING;
