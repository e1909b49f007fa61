-- name: find_playlists
SELECT u.external_id AS "user", coalesce(u.name, u.external_id) AS user_name, p.user_id, p.name, p.playlist_id, p.not_ours, p.item_ids, p.is_complete, p.let_go_at
FROM playlists p
JOIN users u ON u.server_id = p.server_id AND u.id = p.user_id
WHERE p.server_id = :server_id
ORDER BY p.user_id;

-- name: intend_playlist
-- Of one that was let go, another one. Who is being erased is waited for.
INSERT INTO playlists AS p (server_id, user_id, name, not_ours, item_ids)
SELECT u.server_id, u.id, CAST(:name AS text), CAST(:not_ours AS text[]), CAST(:item_ids AS text[])
FROM users u
WHERE u.server_id = :server_id AND u.id = :user_id AND u.erased_at IS NULL
FOR KEY SHARE
ON CONFLICT (server_id, user_id) DO UPDATE
SET name = excluded.name, playlist_id = NULL, not_ours = excluded.not_ours, item_ids = excluded.item_ids, is_complete = false,
    made_at = now(), let_go_at = NULL;

-- name: set_playlist_id
UPDATE playlists SET playlist_id = :playlist_id, made_at = now() WHERE server_id = :server_id AND user_id = :user_id;

-- name: set_playlist_items
UPDATE playlists SET item_ids = :item_ids, is_complete = :is_complete WHERE server_id = :server_id AND user_id = :user_id;

-- name: let_playlist_go
UPDATE playlists SET let_go_at = :now WHERE server_id = :server_id AND user_id = :user_id;

-- name: forget_playlist
DELETE FROM playlists WHERE server_id = :server_id AND user_id = :user_id;

-- name: find_readers
-- Those who can be recommended something, and did not opt out of being known.
SELECT id AS user_id, external_id AS "user", name
FROM users
WHERE server_id = :server_id AND name IS NOT NULL AND erased_at IS NULL AND NOT is_disabled AND NOT is_opted_out
ORDER BY id;

-- name: find_next_episodes
-- Of each of these series the first episode that the user has not seen; the first of all where there is none. Specials come last.
-- Seen is what was watched to the end, or is not known to be broken off, and was not taken back since: as engagement counts it.
WITH wanted AS MATERIALIZED (
    SELECT id, item_id, external_id
    FROM entries
    WHERE server_id = :server_id AND external_id = ANY (CAST(:series AS text[])) AND kind = 'series'
),
versions AS MATERIALIZED (
    SELECT e.id, e.item_id, e.series_id, e.season_number, e.episode_number, e.runtime_seconds
    FROM (SELECT DISTINCT item_id FROM wanted) AS w
    JOIN entries e ON e.server_id = :server_id AND e.item_id = w.item_id AND e.kind = 'episode'
),
told AS (
    SELECT p.entry_id, coalesce(p.started_at, '-infinity') AS at
    FROM versions v
    JOIN plays p ON p.server_id = :server_id AND p.user_id = :user_id AND p.entry_id = v.id
    WHERE coalesce(greatest(p.percent / 100, p.played_seconds::real / nullif(v.runtime_seconds, 0), CASE WHEN p.is_completed THEN 1 END) >= 0.9,
                   p.is_completed IS DISTINCT FROM false)
    UNION ALL
    SELECT v.id, coalesce(s.at, s.received_at)
    FROM versions v
    JOIN signals s ON s.server_id = :server_id AND s.user_id = :user_id AND s.entry_id IN (v.id, v.series_id) AND s.kind = 'watched'
),
seen AS (
    SELECT v.item_id, v.id, v.season_number, v.episode_number
    FROM versions v
    JOIN told t ON t.entry_id = v.id
    LEFT JOIN LATERAL (
        SELECT max(coalesce(s.at, s.received_at)) AS at
        FROM signals s
        WHERE s.server_id = :server_id AND s.user_id = :user_id AND s.entry_id IN (v.id, v.series_id) AND s.kind = 'unwatched'
    ) AS taken_back ON true
    WHERE taken_back.at IS NULL OR t.at >= taken_back.at
)
SELECT DISTINCT ON (w.external_id) w.external_id AS series, e.external_id AS episode
FROM wanted w
JOIN entries e ON e.server_id = :server_id AND e.series_id = w.id AND e.kind = 'episode' AND e.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM seen s
        WHERE s.item_id = e.item_id AND (s.id = e.id OR (s.season_number, s.episode_number) = (e.season_number, e.episode_number))
    ) AS is_seen
) AS state
ORDER BY w.external_id, state.is_seen, coalesce(e.season_number, 1) = 0, e.season_number, e.episode_number, e.id;
