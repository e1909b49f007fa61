-- name: create_staged_users
CREATE TEMP TABLE IF NOT EXISTS staged_users (
    index int, external_id text COLLATE "C", name text, is_disabled boolean, library_external_ids text[], max_parental_age smallint,
    blocked_tags text[], allowed_tags text[], is_opted_out boolean
) ON COMMIT DELETE ROWS;

-- name: refuse_erased
DELETE FROM staged_users s
USING users u
WHERE u.server_id = :server_id AND u.external_id = s.external_id AND u.erased_at IS NOT NULL
RETURNING s.index;

-- name: name_libraries
INSERT INTO libraries (server_id, external_id)
SELECT DISTINCT CAST(:server_id AS bigint), library
FROM staged_users s
CROSS JOIN unnest(s.library_external_ids) AS library
ORDER BY library
ON CONFLICT DO NOTHING;

-- name: write_users
WITH given_libraries AS MATERIALIZED (
    SELECT s.external_id, array_agg(l.id ORDER BY l.id) FILTER (WHERE l.id IS NOT NULL) AS library_ids
    FROM staged_users s
    LEFT JOIN libraries l ON l.server_id = :server_id AND l.external_id = ANY (s.library_external_ids)
    GROUP BY s.external_id
),
had_libraries AS MATERIALIZED (
    SELECT s.external_id, array_agg(ul.library_id ORDER BY ul.library_id) AS library_ids
    FROM staged_users s
    JOIN users u ON u.server_id = :server_id AND u.external_id = s.external_id
    JOIN user_libraries ul ON ul.server_id = :server_id AND ul.user_id = u.id
    GROUP BY s.external_id
),
written AS (
    INSERT INTO users AS u (server_id, external_id, name, is_disabled, has_all_libraries, max_parental_age,
                            blocked_tags, allowed_tags, is_opted_out)
    SELECT :server_id, s.external_id, s.name, s.is_disabled, s.library_external_ids IS NULL, s.max_parental_age,
           s.blocked_tags, s.allowed_tags, s.is_opted_out
    FROM staged_users s
    ORDER BY s.external_id
    ON CONFLICT (server_id, external_id) DO UPDATE SET
        name = excluded.name, is_disabled = excluded.is_disabled, has_all_libraries = excluded.has_all_libraries,
        max_parental_age = excluded.max_parental_age, blocked_tags = excluded.blocked_tags,
        allowed_tags = excluded.allowed_tags, is_opted_out = excluded.is_opted_out
    WHERE (u.name, u.is_disabled, u.has_all_libraries, u.max_parental_age, u.blocked_tags, u.allowed_tags, u.is_opted_out)
          IS DISTINCT FROM (excluded.name, excluded.is_disabled, excluded.has_all_libraries, excluded.max_parental_age,
                            excluded.blocked_tags, excluded.allowed_tags, excluded.is_opted_out)
       OR (SELECT library_ids FROM given_libraries g WHERE g.external_id = u.external_id)
          IS DISTINCT FROM (SELECT library_ids FROM had_libraries h WHERE h.external_id = u.external_id)
    RETURNING u.id, u.external_id, xmax = 0 AS is_inserted
)
SELECT count(*) FILTER (WHERE w.is_inserted) AS created, count(*) FILTER (WHERE NOT w.is_inserted) AS updated FROM written w;

-- name: leave_libraries
DELETE FROM user_libraries ul
USING staged_users s
JOIN users u ON u.server_id = :server_id AND u.external_id = s.external_id
WHERE ul.server_id = :server_id AND ul.user_id = u.id
  AND NOT EXISTS (
      SELECT FROM libraries l
      WHERE l.server_id = :server_id AND l.id = ul.library_id AND l.external_id = ANY (s.library_external_ids)
  );

-- name: join_libraries
INSERT INTO user_libraries (server_id, user_id, library_id)
SELECT :server_id, u.id, l.id
FROM staged_users s
JOIN users u ON u.server_id = :server_id AND u.external_id = s.external_id
JOIN libraries l ON l.server_id = :server_id AND l.external_id = ANY (s.library_external_ids)
ORDER BY u.id, l.id
ON CONFLICT DO NOTHING;
