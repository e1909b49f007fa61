-- name: put_server
INSERT INTO servers AS s (external_id, name, kind, settings)
VALUES (:external_id, :name, :kind, CAST(:settings AS jsonb))
ON CONFLICT (external_id) DO UPDATE SET name = excluded.name, kind = excluded.kind, settings = excluded.settings
RETURNING s.id, s.external_id, s.name, s.kind, s.settings, xmax = 0 AS is_new;

-- name: find_server
SELECT id, external_id, name, kind, settings FROM servers WHERE external_id = :external_id;

-- name: list_servers
SELECT id, external_id, name, kind, settings
FROM servers
WHERE CAST(:only AS bigint) IS NULL OR id = :only
ORDER BY external_id;

-- name: list_users
-- What they did is counted of those who are listed alone: of a million, nobody asks for all.
SELECT u.external_id, u.name,
       coalesce((SELECT sum(greatest(g.n_plays, g.is_seen::int))::int FROM engagement g
                 WHERE g.server_id = :server_id AND g.user_id = u.id), 0) AS n_plays,
       EXISTS (SELECT FROM tastes t WHERE t.server_id = :server_id AND t.user_id = u.id AND t.taste IS NOT NULL) AS has_taste
FROM (
    SELECT id, external_id, name
    FROM users
    WHERE server_id = :server_id AND name IS NOT NULL AND erased_at IS NULL AND (CAST(:user AS text) IS NULL OR external_id = :user)
    ORDER BY name, external_id
    LIMIT :limit OFFSET :offset
) AS u
ORDER BY u.name, u.external_id;

-- name: find_access
-- One row whatever is found: the key, unless revoked or expired, and the server that is asked for.
SELECT k.id AS key_id, k.name AS key_name, k.scopes, k.server_id AS key_server_id, s.id, s.external_id, s.name, s.kind, s.settings
FROM (SELECT) AS always
LEFT JOIN keys k ON k.digest = :digest AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
LEFT JOIN servers s ON s.external_id = :server;

-- name: create_key
INSERT INTO keys (name, digest, scopes, server_id, expires_at)
VALUES (:name, :digest, :scopes, :server_id, :expires_at)
RETURNING id;

-- name: list_keys
SELECT k.id, k.name, k.scopes, s.external_id AS server, k.created_at, k.expires_at, k.revoked_at, k.last_used_at
FROM keys k
LEFT JOIN servers s ON s.id = k.server_id
ORDER BY k.id;

-- name: revoke_key
UPDATE keys SET revoked_at = coalesce(revoked_at, :now) WHERE id = :id;

-- name: write_key_use
UPDATE keys SET last_used_at = :now WHERE id = :id AND (last_used_at IS NULL OR last_used_at < CAST(:now AS timestamptz) - interval '1 minute');

-- name: recent_history
SELECT i.name, i.year, i.kind, g.n_plays, g.n_episodes, g.completion, g.rating, g.is_favourite, g.is_liked, g.last_at
FROM engagement g
JOIN users u ON u.server_id = g.server_id AND u.id = g.user_id
JOIN items i ON i.server_id = g.server_id AND i.id = g.item_id
WHERE g.server_id = :server_id AND u.external_id = :user AND g.is_seen AND NOT g.is_hidden
ORDER BY g.last_at DESC NULLS LAST, g.last_order DESC NULLS LAST, i.id
LIMIT :limit;

-- name: find_user_id
SELECT id FROM users WHERE server_id = :server_id AND external_id = :user AND erased_at IS NULL;
