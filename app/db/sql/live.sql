-- What media servers tell while it happens.

-- name: find_webhook
-- No row says which is wrong, the server or the secret.
SELECT s.id, s.external_id, s.name, s.kind, s.settings
FROM webhooks w
JOIN servers s ON s.id = w.server_id
WHERE w.digest = :digest AND w.revoked_at IS NULL AND s.external_id = :server;

-- name: create_webhook
INSERT INTO webhooks (server_id, digest) VALUES (:server_id, :digest);

-- name: revoke_webhooks
UPDATE webhooks SET revoked_at = :now WHERE server_id = :server_id AND revoked_at IS NULL;

-- name: hold_sitting
-- Its reports come one after the other, whichever process hears them.
SELECT pg_advisory_xact_lock(hashtextextended('palate sitting ' || CAST(:key AS text), :server_id));

-- name: find_sitting
SELECT started_at, position_seconds, watched_seconds, told_at, ended_at FROM sittings WHERE server_id = :server_id AND key = :key;

-- name: put_sitting
INSERT INTO sittings (server_id, key, user_id, started_at, position_seconds, watched_seconds, told_at, ended_at)
SELECT :server_id, :key, u.id, :started_at, :position_seconds, :watched_seconds, :told_at, :ended_at
FROM users u
WHERE u.server_id = :server_id AND u.external_id = :user AND u.erased_at IS NULL
ON CONFLICT (server_id, key) DO UPDATE SET
    started_at = excluded.started_at, position_seconds = excluded.position_seconds, watched_seconds = excluded.watched_seconds,
    told_at = excluded.told_at, ended_at = excluded.ended_at;

-- name: prune_sittings
DELETE FROM sittings WHERE server_id = :server_id AND told_at < :before;

-- name: doubt_entry
-- What is not there needs no asking about.
INSERT INTO doubted_entries (server_id, external_id)
SELECT :server_id, e.external_id
FROM entries e
WHERE e.server_id = :server_id AND e.external_id = :entry AND e.kind IS NOT NULL AND e.deleted_at IS NULL
ON CONFLICT DO NOTHING;

-- name: list_doubted
SELECT external_id FROM doubted_entries WHERE server_id = :server_id ORDER BY external_id;

-- name: forget_doubted
DELETE FROM doubted_entries WHERE server_id = :server_id AND external_id = ANY(:entries);
