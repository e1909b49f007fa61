-- name: put_connection
-- Another address or token changes nothing of what was read.
INSERT INTO connections (server_id, kind, url, token, media_server_id)
VALUES (:server_id, :kind, :url, :token, :media_server_id)
ON CONFLICT (server_id) DO UPDATE SET kind = excluded.kind, url = excluded.url, token = excluded.token, media_server_id = excluded.media_server_id;

-- name: server_of
SELECT s.external_id
FROM connections c
JOIN servers s ON s.id = c.server_id
WHERE c.media_server_id = :media_server_id AND s.external_id <> :but
ORDER BY s.id
LIMIT 1;

-- name: find_connection
SELECT kind, url, token, media_server_id, synced_until, swept_at, held, history_row FROM connections WHERE server_id = :server_id;

-- name: list_connected
SELECT s.external_id
FROM connections c
JOIN servers s ON s.id = c.server_id
WHERE CAST(:kind AS text) IS NULL OR c.kind = :kind
ORDER BY s.external_id;

-- name: write_synced
UPDATE connections
SET synced_until = :synced_until, swept_at = coalesce(:swept_at, swept_at), held = CAST(:held AS jsonb)
WHERE server_id = :server_id;

-- name: write_history_row
UPDATE connections SET history_row = :row WHERE server_id = :server_id;

-- name: find_jellyfin
-- What the strongest of the selectors fits. Of an address the host must be in what was given: those who may not
-- know an address do not find it out letter by letter.
SELECT s.id, s.external_id, s.name, c.url
FROM connections c
JOIN servers s ON s.id = c.server_id AND c.kind = 'jellyfin'
CROSS JOIN LATERAL (
    SELECT coalesce(s.id = :id, false) AS by_id, coalesce(c.media_server_id = :media_server_id, false) AS by_media_server_id,
           coalesce(lower(s.name) = lower(:name), false) AS by_name,
           coalesce(strpos(lower(c.url), lower(:url)) > 0
                    AND strpos(lower(:url), lower(substring(c.url FROM '^https?://(\[[^]]*\]|[^/:]*)'))) > 0, false) AS by_url
) AS fits
WHERE fits.by_id OR fits.by_media_server_id OR fits.by_name OR fits.by_url
ORDER BY fits.by_id DESC, fits.by_media_server_id DESC, fits.by_name DESC, fits.by_url DESC, s.id
LIMIT 1;

-- name: jellyfin_of
SELECT s.id, s.external_id, s.name, c.url
FROM servers s
JOIN connections c ON c.server_id = s.id AND c.kind = 'jellyfin'
WHERE s.external_id = :server;

-- name: only_jellyfin
-- The one that is connected, where it is the only one.
SELECT min(s.id) AS id, min(s.external_id) AS external_id, min(s.name) AS name, min(c.url) AS url
FROM connections c
JOIN servers s ON s.id = c.server_id AND c.kind = 'jellyfin'
HAVING count(*) = 1;
