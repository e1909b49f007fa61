-- name: make_items
WITH made AS (
    INSERT INTO items (server_id, identity, kind, name, year, genres, genre_keys, runtime_seconds, is_available)
    SELECT :server_id, 'movie:entry:' || n, 'movie', 'Title ' || n, 1950 + n % 75,
           ARRAY['Genre ' || n % 20], ARRAY['genre ' || n % 20], 4800 + n % 60 * 60, true
    FROM generate_series(1, :n_items) AS n
    RETURNING id, identity, name
)
INSERT INTO entries (server_id, external_id, kind, item_id, body)
SELECT :server_id, 'item ' || split_part(identity, ':', 3), 'movie', id,
       jsonb_build_object('name', name, 'images', jsonb_build_object(), 'provider_ids', jsonb_build_object('tmdb', CAST(id AS text)))
FROM made;

-- name: name_entries
UPDATE items i SET entry_id = e.id FROM entries e WHERE e.server_id = i.server_id AND e.item_id = i.id AND i.server_id = :server_id;

-- name: item_ids
SELECT id FROM items WHERE server_id = :server_id ORDER BY id;

-- name: make_users
INSERT INTO users (server_id, external_id, name, engagement_version)
SELECT :server_id, 'user ' || n, 'User ' || n, 1
FROM generate_series(0, :n_users - 1) AS n
ORDER BY n
RETURNING id;

-- name: nearest
-- The floor of a search: the same query vector on the same index, nothing excluded.
SELECT v.item_id
FROM item_vectors v
WHERE v.shelf = {shelf} AND v.server_id = :server_id AND v.space_id = :space_id
ORDER BY CAST(v.target AS halfvec({dimension})) <#> (
    SELECT CAST(t.taste AS halfvec({dimension}))
    FROM tastes t
    WHERE t.server_id = :server_id AND t.user_id = :user_id AND t.space_id = :space_id AND t.facet = 0
)
LIMIT {limit};

-- name: item_ids_of
SELECT external_id, item_id FROM entries WHERE server_id = :server_id AND item_id IS NOT NULL;

-- name: forget_engagement
DELETE FROM engagement WHERE server_id = :server_id;

-- name: forget_all_tastes
DELETE FROM tastes WHERE server_id = :server_id;

-- name: forget_users
DELETE FROM users WHERE server_id = :server_id;

-- name: forget_unknown
UPDATE engagement
SET last_order = nullif(last_order, -1), rating = nullif(rating, 'NaN')
WHERE server_id = :server_id AND (last_order < 0 OR rating = 'NaN');

-- name: forget_models
DELETE FROM models WHERE server_id = :server_id;

-- name: abandoned_databases
-- Made for a measurement whose process is gone, and nobody is connected to it.
SELECT d.datname
FROM pg_database d
WHERE d.datname ~ '^palate_scratch_[0-9a-f]{12}$'
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = d.datname OR a.datname = d.datname)
ORDER BY d.datname;
