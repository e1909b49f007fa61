-- name: create_staged_granted
CREATE TEMP TABLE IF NOT EXISTS staged_granted (external_id text COLLATE "C") ON COMMIT DELETE ROWS;

-- name: list_lacking
-- Titles that are there and were not given.
SELECT e.external_id
FROM entries e
WHERE e.server_id = :server_id AND e.kind IN ('movie', 'series') AND e.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM staged_granted s WHERE s.external_id = e.external_id)
ORDER BY e.external_id;

-- name: put_grant
-- The set, made where no user has the same; nothing of it changes later.
WITH found AS MATERIALIZED (
    SELECT e.id FROM staged_granted s JOIN entries e ON e.server_id = :server_id AND e.external_id = s.external_id
),
put AS (
    INSERT INTO grants AS g (server_id, digest)
    SELECT :server_id, sha256(convert_to(coalesce(string_agg(DISTINCT CAST(id AS text), ',' ORDER BY CAST(id AS text)), ''), 'UTF8'))
    FROM found
    ON CONFLICT (server_id, digest) DO UPDATE SET digest = excluded.digest
    RETURNING g.id, xmax = 0 AS is_new
),
filled AS (
    INSERT INTO granted_entries (server_id, grant_id, entry_id)
    SELECT DISTINCT CAST(:server_id AS bigint), put.id, found.id
    FROM put CROSS JOIN found
    WHERE put.is_new
)
SELECT id FROM put;

-- name: give_grant
UPDATE users
SET grant_id = :grant_id, policy_digest = :policy_digest
WHERE server_id = :server_id AND external_id = :user AND erased_at IS NULL
  AND (grant_id IS DISTINCT FROM :grant_id OR policy_digest IS DISTINCT FROM :policy_digest);

-- name: drop_unused_grants
WITH unused AS (
    DELETE FROM grants g
    WHERE g.server_id = :server_id AND NOT EXISTS (SELECT FROM users u WHERE u.server_id = :server_id AND u.grant_id = g.id)
    RETURNING g.id
)
DELETE FROM granted_entries a USING unused WHERE a.server_id = :server_id AND a.grant_id = unused.id;

-- name: list_granted
SELECT u.external_id, u.grant_id IS NOT NULL AS is_limited, u.is_disabled, u.policy_digest, u.erased_at IS NOT NULL AS is_erased
FROM users u
WHERE u.server_id = :server_id;

-- name: disable_gone
-- Users who were never asked about came by another way.
UPDATE users u
SET is_disabled = true
WHERE u.server_id = :server_id AND u.policy_digest IS NOT NULL AND NOT u.is_disabled
  AND NOT EXISTS (SELECT FROM staged_granted s WHERE s.external_id = u.external_id);

-- name: read_granted
SELECT e.external_id
FROM users u
JOIN granted_entries a ON a.server_id = :server_id AND a.grant_id = u.grant_id
JOIN entries e ON e.server_id = :server_id AND e.id = a.entry_id
WHERE u.server_id = :server_id AND u.external_id = :user;
