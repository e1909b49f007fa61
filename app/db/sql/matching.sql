-- name: create_wanted
CREATE TEMP TABLE IF NOT EXISTS wanted (
    index int, kind text, name text, year int, own_id text, is_sure boolean, series_own_id text,
    tmdb text, imdb text, tvdb text, season int, episode int, part_name text, title_kind text
) ON COMMIT DELETE ROWS;

-- name: match
-- First by the media server's own id, then by kind and provider id, then by title and year. Of what fits more than one nothing is chosen;
-- nor what has the name, but another id of the same provider.
WITH by_id AS MATERIALIZED (
    SELECT w.index, e.id AS entry_id
    FROM wanted w
    JOIN entries e ON e.server_id = :server_id AND e.external_id = w.own_id AND e.kind = w.kind AND e.item_id IS NOT NULL
    WHERE w.is_sure OR {e_name} = {w_own_name}
),
names AS MATERIALIZED (
    SELECT i.id AS item_id, i.kind, i.year, {i_name} AS name FROM items i WHERE i.server_id = :server_id
    UNION
    SELECT i.id, i.kind, i.year, {e_original}
    FROM items i
    JOIN entries e ON e.server_id = :server_id AND e.id = i.entry_id
    WHERE i.server_id = :server_id AND e.body->>'original_name' IS NOT NULL
),
found AS MATERIALIZED (
    SELECT w.index, e.item_id, 1 AS rank
    FROM wanted w
    JOIN entries e ON e.server_id = :server_id AND e.external_id = w.series_own_id AND e.kind = 'series'
    WHERE w.is_sure
    UNION
    SELECT w.index, e.item_id, 2
    FROM wanted w
    CROSS JOIN LATERAL (
        SELECT item_id FROM entries WHERE server_id = :server_id AND kind = w.title_kind AND tmdb = w.tmdb
        UNION ALL SELECT item_id FROM entries WHERE server_id = :server_id AND kind = w.title_kind AND imdb = w.imdb
        UNION ALL SELECT item_id FROM entries WHERE server_id = :server_id AND kind = w.title_kind AND tvdb = w.tvdb
    ) AS e
    UNION
    SELECT w.index, n.item_id, CASE WHEN w.year IS NULL THEN 4 ELSE 3 END
    FROM wanted w
    JOIN names n ON n.kind = w.title_kind AND n.name = {w_name} AND (w.year IS NULL OR n.year = w.year)
    WHERE NOT EXISTS (
        SELECT FROM entries e
        WHERE e.server_id = :server_id AND e.item_id = n.item_id AND e.kind = w.title_kind
          AND (e.tmdb <> w.tmdb OR e.imdb <> w.imdb OR e.tvdb <> w.tvdb)
    )
),
titles AS (
    SELECT index, rank, min(item_id) AS item_id, count(DISTINCT item_id) AS n_items
    FROM (SELECT *, min(rank) OVER (PARTITION BY index) AS best FROM found WHERE item_id IS NOT NULL) AS f
    WHERE rank = best
    GROUP BY index, rank
),
episodes AS (
    SELECT w.index, count(DISTINCT (e.season_number, e.episode_number)) AS n_parts,
           (array_agg(e.id ORDER BY e.deleted_at IS NOT NULL, e.external_id COLLATE "C"))[1] AS entry_id
    FROM wanted w
    JOIN titles t ON t.index = w.index AND t.n_items = 1
    JOIN entries e ON e.server_id = :server_id AND e.item_id = t.item_id AND e.kind = 'episode'
    WHERE w.kind = 'episode'
      AND CASE WHEN w.episode IS NOT NULL THEN e.season_number = w.season AND e.episode_number = w.episode
               ELSE {e_name} = {w_part} AND (w.season IS NULL OR e.season_number = w.season) END
    GROUP BY w.index
)
SELECT w.index,
       CASE WHEN b.index IS NOT NULL THEN 'id'
            ELSE (ARRAY['id', 'provider id', 'title and year', 'title'])[t.rank] END AS how,
       e.external_id AS entry,
       CASE WHEN b.index IS NOT NULL THEN NULL
            WHEN t.index IS NULL THEN 'unknown title'
            WHEN t.n_items > 1 THEN 'ambiguous title'
            WHEN w.kind = 'episode' AND p.index IS NULL THEN 'unknown episode'
            WHEN w.kind = 'episode' AND p.n_parts > 1 THEN 'ambiguous episode' END AS fault
FROM wanted w
LEFT JOIN by_id b ON b.index = w.index
LEFT JOIN titles t ON t.index = w.index
LEFT JOIN episodes p ON p.index = w.index
LEFT JOIN items i ON i.server_id = :server_id AND i.id = t.item_id
LEFT JOIN entries e ON e.server_id = :server_id
    AND e.id = coalesce(b.entry_id, CASE WHEN w.kind = 'episode' THEN p.entry_id ELSE i.entry_id END)
ORDER BY w.index;
