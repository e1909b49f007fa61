-- What a source said of a user and never took back.

-- name: list_standing_signals
SELECT e.external_id, g.kind
FROM signals g
JOIN users u ON u.server_id = :server_id AND u.id = g.user_id AND u.external_id = :user
JOIN entries e ON e.server_id = :server_id AND e.id = g.entry_id
WHERE g.server_id = :server_id AND g.source = :source AND g.kind IN ('favourite', 'like', 'dislike', 'rating')
  AND (g.kind = 'rating' AND g.value IS NOT NULL OR g.kind <> 'rating' AND g.value > 0)
ORDER BY e.external_id, g.kind;

-- name: list_unplayed
-- Entries that it told a play of, where no version of the same part is among those played now, and nothing took the play back since.
WITH told AS (
    SELECT p.entry_id, p.user_id, max(coalesce(p.started_at, p.received_at)) AS last_at
    FROM plays p
    JOIN users u ON u.server_id = :server_id AND u.id = p.user_id AND u.external_id = :user
    WHERE p.server_id = :server_id AND p.source = :source
    GROUP BY p.entry_id, p.user_id
),
played_now AS MATERIALIZED (
    SELECT v.id, v.item_id, v.kind, v.season_number, v.episode_number
    FROM entries v
    JOIN staged_ids s ON s.external_id = v.external_id
    WHERE v.server_id = :server_id
)
SELECT e.external_id,
       ARRAY(SELECT v.external_id FROM entries v
             WHERE v.server_id = :server_id AND v.item_id = e.item_id AND v.kind = e.kind AND v.deleted_at IS NULL
               AND (v.id = e.id OR v.kind = 'movie'
                    OR v.season_number = e.season_number AND v.episode_number = e.episode_number)) AS versions
FROM told t
JOIN entries e ON e.server_id = :server_id AND e.id = t.entry_id
-- One after the other: joined by any of the three at once, each entry would be held against each that is played now.
WHERE NOT EXISTS (SELECT FROM played_now v WHERE v.id = e.id)
  AND NOT EXISTS (SELECT FROM played_now v WHERE v.item_id = e.item_id AND v.kind = 'movie' AND e.kind = 'movie')
  AND NOT EXISTS (
          SELECT FROM played_now v
          WHERE v.item_id = e.item_id AND v.kind = e.kind AND v.season_number = e.season_number AND v.episode_number = e.episode_number)
  AND NOT EXISTS (
          SELECT FROM signals g
          WHERE g.server_id = :server_id AND g.user_id = t.user_id AND g.entry_id = e.id AND g.kind = 'unwatched'
            AND coalesce(g.at, g.received_at) >= t.last_at)
ORDER BY e.external_id;

-- name: list_times_told
SELECT DISTINCT e.external_id, p.started_at, CASE WHEN p.started_at IS NULL THEN p.source_key END AS own
FROM plays p
JOIN users u ON u.server_id = :server_id AND u.id = p.user_id AND u.external_id = :user
JOIN entries e ON e.server_id = :server_id AND e.id = p.entry_id
WHERE p.server_id = :server_id AND p.source = :source
  AND (p.started_at IS NOT NULL OR p.percent IS NULL AND p.is_completed IS NULL)
ORDER BY e.external_id, p.started_at, own;
