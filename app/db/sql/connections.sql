-- name: put_connection
-- Another address or token changes nothing of what was read.
INSERT INTO connections (server_id, url, token, media_server_id)
VALUES (:server_id, :url, :token, :media_server_id)
ON CONFLICT (server_id) DO UPDATE SET url = excluded.url, token = excluded.token, media_server_id = excluded.media_server_id;

-- name: find_connection
SELECT url, token, media_server_id, synced_until, swept_at, held, history_row FROM connections WHERE server_id = :server_id;

-- name: list_connected
SELECT s.external_id FROM connections c JOIN servers s ON s.id = c.server_id ORDER BY s.external_id;

-- name: write_synced
UPDATE connections
SET synced_until = :synced_until, swept_at = coalesce(:swept_at, swept_at), held = CAST(:held AS jsonb)
WHERE server_id = :server_id;

-- name: write_history_row
UPDATE connections SET history_row = :row WHERE server_id = :server_id;
