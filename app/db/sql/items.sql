-- name: lock_exclusive
SELECT pg_advisory_xact_lock(hashtextextended('palate ingest', :server_id));

-- name: create_staged_entries
CREATE TEMP TABLE IF NOT EXISTS staged_entries (
    external_id text COLLATE "C", kind text, series_external_id text COLLATE "C", library_external_id text COLLATE "C",
    season_number int, episode_number int, runtime_seconds int, parental_age smallint, access_tags text[],
    tmdb text, imdb text, tvdb text, title_key text, added_at timestamptz, body jsonb
) ON COMMIT DELETE ROWS;

-- name: create_changed
CREATE TEMP TABLE IF NOT EXISTS changed (entry_id bigint, is_new boolean) ON COMMIT DELETE ROWS;

-- name: create_related
-- Entries whose identity may differ because of what changed: the changed ones and those they share an id with, before or after.
CREATE TEMP TABLE IF NOT EXISTS related (entry_id bigint) ON COMMIT DELETE ROWS;

-- name: create_moved
CREATE TEMP TABLE IF NOT EXISTS moved (entry_id bigint, old_item_id bigint, new_item_id bigint) ON COMMIT DELETE ROWS;

-- name: name_libraries
INSERT INTO libraries (server_id, external_id)
SELECT DISTINCT CAST(:server_id AS bigint), library_external_id
FROM staged_entries
WHERE library_external_id IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: name_entries
INSERT INTO entries (server_id, external_id)
SELECT :server_id, external_id
FROM (SELECT external_id FROM staged_entries
      UNION SELECT series_external_id FROM staged_entries WHERE series_external_id IS NOT NULL) AS named
ORDER BY external_id
ON CONFLICT DO NOTHING;

-- name: find_changed
INSERT INTO changed (entry_id, is_new)
SELECT e.id, e.kind IS NULL
FROM staged_entries s
JOIN entries e ON e.server_id = :server_id AND e.external_id = s.external_id
WHERE e.kind IS NULL OR e.deleted_at IS NOT NULL
   OR (e.body, e.parental_age, e.access_tags, e.title_key) IS DISTINCT FROM (s.body, s.parental_age, s.access_tags, s.title_key);

-- name: relate_changed
INSERT INTO related (entry_id)
SELECT entry_id FROM changed
UNION
SELECT o.id
FROM changed c
JOIN entries e ON e.server_id = :server_id AND e.id = c.entry_id AND e.kind IN ('movie', 'series')
CROSS JOIN LATERAL (
    SELECT id FROM entries WHERE server_id = :server_id AND kind = e.kind AND imdb = e.imdb
    UNION ALL SELECT id FROM entries WHERE server_id = :server_id AND kind = e.kind AND tvdb = e.tvdb
    UNION ALL SELECT id FROM entries WHERE server_id = :server_id AND kind = e.kind AND title_key = e.title_key
) AS o;

-- name: write_entries
UPDATE entries e
SET kind = s.kind,
    series_id = parent.id,
    library_id = l.id,
    season_number = s.season_number,
    episode_number = s.episode_number,
    runtime_seconds = s.runtime_seconds,
    parental_age = s.parental_age,
    access_tags = s.access_tags,
    tmdb = s.tmdb, imdb = s.imdb, tvdb = s.tvdb,
    title_key = s.title_key,
    added_at = s.added_at,
    deleted_at = NULL,
    body = s.body
FROM changed c, staged_entries s
LEFT JOIN entries parent ON parent.server_id = :server_id AND parent.external_id = s.series_external_id
LEFT JOIN libraries l ON l.server_id = :server_id AND l.external_id = s.library_external_id
WHERE e.server_id = :server_id AND e.id = c.entry_id AND e.external_id = s.external_id;

-- name: name_items
-- A title's identity is its strongest provider id; an entry that lacks the strongest borrows it from an entry that
-- shares a weaker one (the least, where several offer theirs). So two titles with two TMDB ids never become one,
-- and the answer does not depend on the order of arrival (DECISIONS, 3).
INSERT INTO items (server_id, identity, kind, name)
SELECT DISTINCT CAST(:server_id AS bigint), identity, kind, ''
FROM title_identities
ON CONFLICT DO NOTHING;

-- name: create_title_identities
CREATE TEMP TABLE IF NOT EXISTS title_identities (entry_id bigint, kind text, identity text) ON COMMIT DELETE ROWS;

-- name: identify_titles
INSERT INTO title_identities (entry_id, kind, identity)
SELECT e.id, e.kind, e.kind || ':' || coalesce(
    'tmdb:' || coalesce(
        e.tmdb,
        (SELECT min(o.tmdb COLLATE "C") FROM entries o WHERE o.server_id = :server_id AND o.kind = e.kind AND o.imdb = e.imdb),
        (SELECT min(o.tmdb COLLATE "C") FROM entries o WHERE o.server_id = :server_id AND o.kind = e.kind AND o.tvdb = e.tvdb),
        (SELECT min(o.tmdb COLLATE "C") FROM entries o WHERE o.server_id = :server_id AND o.kind = e.kind AND o.title_key = e.title_key)
    ),
    'imdb:' || coalesce(
        e.imdb,
        (SELECT min(o.imdb COLLATE "C") FROM entries o WHERE o.server_id = :server_id AND o.kind = e.kind AND o.tvdb = e.tvdb),
        (SELECT min(o.imdb COLLATE "C") FROM entries o WHERE o.server_id = :server_id AND o.kind = e.kind AND o.title_key = e.title_key)
    ),
    'tvdb:' || coalesce(
        e.tvdb,
        (SELECT min(o.tvdb COLLATE "C") FROM entries o WHERE o.server_id = :server_id AND o.kind = e.kind AND o.title_key = e.title_key)
    ),
    'title:' || e.title_key,
    'entry:' || e.external_id
)
FROM (SELECT DISTINCT entry_id FROM related) AS r
JOIN entries e ON e.server_id = :server_id AND e.id = r.entry_id AND e.kind IN ('movie', 'series');

-- name: move_titles
WITH due AS MATERIALIZED (
    SELECT e.id, e.item_id AS old_item_id, i.id AS new_item_id
    FROM title_identities t
    JOIN entries e ON e.server_id = :server_id AND e.id = t.entry_id
    JOIN items i ON i.server_id = :server_id AND i.identity = t.identity
    WHERE e.item_id IS DISTINCT FROM i.id
),
moving AS (
    UPDATE entries e SET item_id = d.new_item_id FROM due d WHERE e.server_id = :server_id AND e.id = d.id
)
INSERT INTO moved SELECT id, old_item_id, new_item_id FROM due;

-- name: move_parts
-- Episodes and seasons follow their series, whichever of the two came first.
WITH due AS MATERIALIZED (
    SELECT e.id, e.item_id AS old_item_id, parent.item_id AS new_item_id
    FROM (SELECT entry_id FROM changed
          UNION
          SELECT part.id FROM related r JOIN entries part ON part.server_id = :server_id AND part.series_id = r.entry_id) AS c
    JOIN entries e ON e.server_id = :server_id AND e.id = c.entry_id AND e.kind IN ('season', 'episode')
    LEFT JOIN entries parent ON parent.server_id = :server_id AND parent.id = e.series_id AND parent.kind = 'series'
    WHERE e.item_id IS DISTINCT FROM parent.item_id
),
moving AS (
    UPDATE entries e SET item_id = d.new_item_id FROM due d WHERE e.server_id = :server_id AND e.id = d.id
)
INSERT INTO moved SELECT id, old_item_id, new_item_id FROM due;

-- name: describe_items
-- An item looks like its first living title entry.
WITH due AS MATERIALIZED (
    SELECT old_item_id AS item_id FROM moved WHERE old_item_id IS NOT NULL
    UNION SELECT new_item_id FROM moved WHERE new_item_id IS NOT NULL
    UNION SELECT e.item_id FROM changed c JOIN entries e ON e.server_id = :server_id AND e.id = c.entry_id WHERE e.item_id IS NOT NULL
),
titles AS (
    SELECT DISTINCT ON (e.item_id) e.item_id, e.id AS entry_id, e.body, e.runtime_seconds,
           bool_or(e.deleted_at IS NULL) OVER of_item AS is_available,
           min(e.added_at) OVER of_item AS added_at
    FROM due d
    JOIN entries e ON e.server_id = :server_id AND e.item_id = d.item_id AND e.kind IN ('movie', 'series')
    WINDOW of_item AS (PARTITION BY e.item_id)
    ORDER BY e.item_id, e.deleted_at IS NOT NULL, e.external_id COLLATE "C"
),
described AS (
    SELECT t.*,
           t.body->>'name' AS name,
           (t.body->>'year')::smallint AS year,
           ARRAY(SELECT jsonb_array_elements_text(t.body->'genres')) AS genres,
           (t.body->>'community_rating')::real AS community_rating,
           (t.body->>'vote_count')::int AS vote_count,
           sha256(convert_to(jsonb_build_array(t.body->'type', t.body->'name', t.body->'original_name', t.body->'year', t.body->'genres',
                                               t.body->'tags', t.body->'people', t.body->'overview')::text, 'UTF8')) AS text_digest
    FROM titles t
)
UPDATE items i
SET name = d.name, year = d.year, genres = d.genres,
    genre_keys = ARRAY(SELECT lower(genre) FROM unnest(d.genres) AS genre),
    runtime_seconds = d.runtime_seconds, community_rating = d.community_rating, vote_count = d.vote_count,
    added_at = d.added_at, is_available = d.is_available, entry_id = d.entry_id, text_digest = d.text_digest,
    -- As good as the usual one, until the statistics speak of it.
    prior = CASE WHEN i.prior > 0 THEN i.prior ELSE usual.prior END,
    popularity = CASE WHEN i.prior > 0 THEN i.popularity ELSE usual.prior END,
    search_key = regexp_replace(normalize(lower(concat_ws(' / ', d.name, nullif(d.body->>'original_name', d.name))), NFKD),
                                '[\u0300-\u036f]', '', 'g'),
    n_episodes = (
        SELECT count(DISTINCT coalesce(e.season_number || '/' || e.episode_number, 'entry ' || e.id))
        FROM entries e
        WHERE e.server_id = :server_id AND e.item_id = d.item_id AND e.kind = 'episode' AND e.deleted_at IS NULL
          AND e.season_number IS DISTINCT FROM 0)
FROM described d,
     (SELECT coalesce(avg(prior), 0) AS prior FROM items WHERE server_id = :server_id AND prior > 0) AS usual
WHERE i.server_id = :server_id AND i.id = d.item_id;

-- name: drop_empty_items
DELETE FROM items i
USING (SELECT DISTINCT old_item_id FROM moved WHERE old_item_id IS NOT NULL) AS m
WHERE i.server_id = :server_id AND i.id = m.old_item_id
  AND NOT EXISTS (
      SELECT FROM entries e WHERE e.server_id = :server_id AND e.item_id = i.id AND e.kind IN ('movie', 'series')
  );

-- name: orphan_parts
-- What is left of an item whose last title went: its episodes wait for a series again.
UPDATE entries e
SET item_id = NULL
FROM moved m
WHERE e.server_id = :server_id AND e.item_id = m.old_item_id
  AND NOT EXISTS (SELECT FROM items i WHERE i.server_id = :server_id AND i.id = m.old_item_id);

-- name: touch_engagement
WITH entries_due AS MATERIALIZED (
    SELECT entry_id, old_item_id AS item_id FROM moved WHERE old_item_id IS NOT NULL
    UNION SELECT entry_id, new_item_id FROM moved WHERE new_item_id IS NOT NULL
    UNION SELECT c.entry_id, e.item_id FROM changed c JOIN entries e ON e.server_id = :server_id AND e.id = c.entry_id WHERE e.item_id IS NOT NULL
)
INSERT INTO touched (user_id, item_id)
SELECT p.user_id, d.item_id FROM entries_due d JOIN plays p ON p.server_id = :server_id AND p.entry_id = d.entry_id
UNION
SELECT s.user_id, d.item_id FROM entries_due d JOIN signals s ON s.server_id = :server_id AND s.entry_id = d.entry_id;

-- name: count_changed
SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE NOT is_new) AS updated FROM changed;

-- name: read_bodies
SELECT i.id, e.body
FROM items i
JOIN entries e ON e.server_id = i.server_id AND e.id = i.entry_id
WHERE i.server_id = :server_id AND i.id = ANY (CAST(:item_ids AS bigint[])) AND e.body IS NOT NULL;

-- name: read_descriptions
-- What a ranker may know of an item; `people` by name, the first first.
SELECT i.id, i.kind = 'series' AS is_series, i.year, i.community_rating, i.vote_count, i.runtime_seconds,
       extract(epoch FROM i.added_at)::float8 AS added_at, i.genre_keys, i.prior, i.popularity, i.is_available,
       ARRAY(SELECT p.body->>'name' FROM jsonb_array_elements(CASE jsonb_typeof(e.body->'people') WHEN 'array' THEN e.body->'people' ELSE '[]' END)
             WITH ORDINALITY AS p (body, number) ORDER BY p.number) AS people
FROM items i
LEFT JOIN entries e ON e.server_id = i.server_id AND e.id = i.entry_id
WHERE i.server_id = :server_id
ORDER BY i.id;
