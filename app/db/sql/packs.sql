-- name: titles
-- Deleted ones too: what was watched of them still says something.
SELECT i.id, i.kind, i.year,
       array_agg(DISTINCT e.kind || ':tmdb:' || e.tmdb) FILTER (WHERE e.tmdb IS NOT NULL) AS tmdb,
       array_agg(DISTINCT e.kind || ':imdb:' || e.imdb) FILTER (WHERE e.imdb IS NOT NULL) AS imdb,
       array_agg(DISTINCT e.kind || ':tvdb:' || e.tvdb) FILTER (WHERE e.tvdb IS NOT NULL) AS tvdb,
       coalesce(max(w.n_plays), 0) AS n_plays
FROM items i
JOIN entries e ON e.server_id = :server_id AND e.item_id = i.id AND e.kind IN ('movie', 'series')
LEFT JOIN (
    -- Rated or marked watched, but never played here: one play that we know nothing of.
    SELECT item_id, sum(greatest(n_plays, 1)) AS n_plays
    FROM engagement
    WHERE server_id = :server_id AND is_seen
    GROUP BY item_id
) AS w ON w.item_id = i.id
WHERE i.server_id = :server_id
GROUP BY i.id, i.kind, i.year
ORDER BY i.id;

-- name: base_in_use
SELECT b.id, b.server_id, b.kind, b.status, b.model_name, b.model_digest, b.template_version, b.dimension, b.shelf, b.centre,
       b.centre_source, b.card
FROM spaces s
JOIN spaces b ON b.server_id = :server_id AND b.id = CAST(s.card->'pack'->>'space_id' AS bigint)
WHERE s.server_id = :server_id AND s.kind = 'collab' AND s.status = 'live' AND b.status = 'candidate'
ORDER BY b.id;

-- name: retire_unused
-- Those that neither the live revision nor one that may come back was made with.
UPDATE spaces b
SET status = 'retired'
WHERE b.server_id = :server_id AND b.kind = 'collab' AND b.status = 'candidate' AND b.model_name = :model_name
  AND NOT EXISTS (
      SELECT FROM spaces s
      WHERE s.server_id = :server_id AND s.status IN ('live', 'kept') AND CAST(s.card->'pack'->>'space_id' AS bigint) = b.id
  );
