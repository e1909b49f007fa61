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
        max_parental_age = s.max_parental_age, blocked_tags = s.blocked_tags, allowed_tags = s.allowed_tags,
        is_opted_out = coalesce(s.is_opted_out, u.is_opted_out)
    FROM staged_users s
    JOIN users before ON before.server_id = :server_id AND before.external_id = s.user_external_id
    WHERE u.server_id = :server_id AND u.id = before.id
      AND ((u.name, u.is_disabled, u.has_all_libraries, u.max_parental_age, u.blocked_tags, u.allowed_tags, u.is_opted_out)
           IS DISTINCT FROM (s.name, s.is_disabled, s.library_external_ids IS NULL, s.max_parental_age, s.blocked_tags, s.allowed_tags,
                             coalesce(s.is_opted_out, u.is_opted_out))
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

-- name: lock_to_erase
-- Stronger than what ingest takes: those who write what was computed or served (tastes, slates) only hold the row's key.
SELECT u.id FROM users u WHERE u.server_id = :server_id AND u.external_id = :user AND u.erased_at IS NULL FOR UPDATE;

-- name: lock_present
-- Those of these users who did not opt out and are not erased, and can't be erased before this transaction ends.
SELECT u.server_id, u.id
FROM users u
WHERE (u.server_id, u.id) IN (SELECT * FROM unnest(CAST(:server_ids AS bigint[]), CAST(:user_ids AS bigint[])))
  AND NOT u.is_opted_out AND u.erased_at IS NULL
ORDER BY u.server_id, u.id
FOR KEY SHARE;

-- name: erase_user
WITH plays AS (DELETE FROM plays WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
signals AS (DELETE FROM signals WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
engagement AS (DELETE FROM engagement WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
tastes AS (DELETE FROM tastes WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
slates AS (DELETE FROM slates WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
user_libraries AS (DELETE FROM user_libraries WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
jobs AS (DELETE FROM jobs WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
sittings AS (DELETE FROM sittings WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
playlists AS (DELETE FROM playlists WHERE server_id = :server_id AND user_id = :user_id RETURNING 1),
-- Its id alone stays, so that the next sync is refused.
tombstone AS (
    UPDATE users
    SET name = NULL, is_disabled = false, has_all_libraries = true, max_parental_age = NULL, blocked_tags = '{}', allowed_tags = '{}',
        is_opted_out = false, engagement_version = 0, grant_id = NULL, policy_digest = NULL, erased_at = :now
    WHERE server_id = :server_id AND id = :user_id
)
SELECT (SELECT count(*) FROM plays) AS plays, (SELECT count(*) FROM signals) AS signals,
       (SELECT count(*) FROM engagement) AS engagement, (SELECT count(*) FROM tastes) AS tastes,
       (SELECT count(*) FROM slates) AS slates, (SELECT count(*) FROM user_libraries) AS user_libraries,
       (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM sittings) AS sittings, (SELECT count(*) FROM playlists) AS playlists;

-- name: state_of_people
-- What rises with each change of anybody's engagement; and a digest of those who may no longer be learned from.
SELECT jsonb_build_object(
           'engagement', coalesce(sum(engagement_version), 0),
           'left_out', md5(coalesce(string_agg(CAST(id AS text), ',' ORDER BY id) FILTER (WHERE is_opted_out OR erased_at IS NOT NULL), '')))
FROM users
WHERE server_id = :server_id;
