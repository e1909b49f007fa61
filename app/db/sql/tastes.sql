-- name: create_staged_tastes
CREATE TEMP TABLE IF NOT EXISTS staged_tastes (
    user_id bigint, facet int, engagement_version bigint, n_items int, due_at double precision, share real, has_taste int, taste halfvec
) ON COMMIT DELETE ROWS;

-- name: create_staged_heaviest
CREATE TEMP TABLE IF NOT EXISTS staged_heaviest (user_id bigint, facet int, item_id bigint, weight real) ON COMMIT DELETE ROWS;

-- name: create_staged_labels
CREATE TEMP TABLE IF NOT EXISTS staged_labels (user_id bigint, facet int, label text) ON COMMIT DELETE ROWS;

-- name: stage_labels
INSERT INTO staged_labels
SELECT * FROM unnest(CAST(:user_ids AS bigint[]), CAST(:facets AS int[]), CAST(:labels AS text[]));

-- name: write_tastes
-- A taste computed from older engagement never replaces one from newer. Facet -1 of what is staged: the latest titles.
WITH heaviest AS MATERIALIZED (
    SELECT user_id, facet, array_agg(item_id ORDER BY weight DESC, item_id) AS item_ids,
           array_agg(weight ORDER BY weight DESC, item_id) AS item_weights
    FROM staged_heaviest
    GROUP BY user_id, facet
)
INSERT INTO tastes AS t (server_id, user_id, space_id, facet, taste, item_ids, item_weights, n_items, engagement_version, computed_at, due_at,
                         recipe, label, share, recent_ids)
SELECT :server_id, s.user_id, :space_id, s.facet, CASE WHEN s.has_taste = 1 THEN s.taste END,
       coalesce(h.item_ids, '{}'), coalesce(h.item_weights, '{}'), s.n_items, s.engagement_version, :now,
       to_timestamp(nullif(s.due_at, 'NaN')), :recipe, l.label, s.share, coalesce(r.item_ids, '{}')
FROM staged_tastes s
LEFT JOIN heaviest h USING (user_id, facet)
LEFT JOIN heaviest r ON r.user_id = s.user_id AND r.facet = -1 AND s.facet = 0
LEFT JOIN staged_labels l ON l.user_id = s.user_id AND l.facet = s.facet
ORDER BY s.user_id, s.facet
ON CONFLICT (server_id, user_id, space_id, facet) DO UPDATE SET
    taste = excluded.taste, item_ids = excluded.item_ids, item_weights = excluded.item_weights, n_items = excluded.n_items,
    engagement_version = excluded.engagement_version, computed_at = excluded.computed_at, due_at = excluded.due_at,
    recipe = excluded.recipe, label = excluded.label, share = excluded.share, recent_ids = excluded.recent_ids
WHERE t.engagement_version <= excluded.engagement_version;

-- name: drop_former_facets
-- What the whole taste no longer has. Two that compute at once may still leave a facet of the older: readers take
-- those that were computed with facet 0.
DELETE FROM tastes t
USING (SELECT user_id, max(facet) AS last_facet, max(engagement_version) AS version FROM staged_tastes GROUP BY user_id) AS s
WHERE t.server_id = :server_id AND t.user_id = s.user_id AND t.space_id = :space_id AND t.facet > s.last_facet
  AND t.computed_at <= :now AND t.engagement_version <= s.version;

-- name: read_traits
SELECT i.id, i.kind, i.year, i.genres, ARRAY(SELECT jsonb_array_elements_text(e.body->'tags')) AS tags
FROM items i
LEFT JOIN entries e ON e.server_id = i.server_id AND e.id = i.entry_id
WHERE i.server_id = :server_id AND i.id = ANY (CAST(:item_ids AS bigint[]));

-- name: forget_tastes
DELETE FROM tastes t
USING users u
WHERE t.server_id = :server_id AND u.server_id = :server_id AND u.id = t.user_id AND (u.is_opted_out OR u.erased_at IS NOT NULL);

-- name: users_with_engagement
SELECT u.id, u.engagement_version
FROM users u
WHERE u.server_id = :server_id AND u.engagement_version > 0 AND NOT u.is_opted_out AND u.erased_at IS NULL
ORDER BY u.id;

-- name: stale_users
SELECT u.id, u.engagement_version
FROM users u
LEFT JOIN tastes t ON t.server_id = :server_id AND t.user_id = u.id AND t.space_id = :space_id AND t.facet = 0
WHERE u.server_id = :server_id AND u.engagement_version > 0 AND NOT u.is_opted_out AND u.erased_at IS NULL
  AND (t.user_id IS NULL OR t.engagement_version < u.engagement_version OR t.due_at <= :now OR t.recipe <> :recipe)
ORDER BY u.id;

-- name: write_statistics
-- prior: a Bayesian mean of the community rating (m votes of the server's own mean; m is the median count) and the logarithm
-- of the votes, halves each (EXPERIMENTS, before the first version: what votes add to text); popularity:
-- how many of the household watched it, then the prior.
WITH watched AS (
    SELECT g.item_id, count(*) AS n_users
    FROM engagement g
    JOIN users u ON u.server_id = :server_id AND u.id = g.user_id AND NOT u.is_opted_out
    WHERE g.server_id = :server_id AND g.is_seen
    GROUP BY g.item_id
),
usual AS (
    SELECT coalesce(avg(community_rating), 6) AS rating,
           greatest(percentile_cont(0.5) WITHIN GROUP (ORDER BY vote_count), 1) AS n_votes,
           ln(1 + greatest(max(vote_count), 1)) AS most_votes,
           (SELECT greatest(max(n_users), 1) FROM watched) AS most_users
    FROM items
    WHERE server_id = :server_id AND is_available
),
rated AS (
    SELECT i.id, coalesce(w.n_users, 0) AS n_users,
           (coalesce(i.vote_count, u.n_votes) * coalesce(i.community_rating, u.rating) + u.n_votes * u.rating)
               / (coalesce(i.vote_count, u.n_votes) + u.n_votes) / 10 AS quality,
           ln(1 + coalesce(i.vote_count, 0)) / u.most_votes AS fame,
           u.most_users
    FROM items i
    CROSS JOIN usual u
    LEFT JOIN watched w ON w.item_id = i.id
    WHERE i.server_id = :server_id
),
scored AS (
    SELECT id, n_users::int AS n_users, (0.5 * quality + 0.5 * fame)::real AS prior,
           (n_users::real / most_users + 0.5 * quality + 0.5 * fame)::real AS popularity
    FROM rated
)
UPDATE items i
SET n_users = s.n_users, prior = s.prior, popularity = s.popularity
FROM scored s
WHERE i.server_id = :server_id AND i.id = s.id
  AND (i.n_users, i.prior, i.popularity) IS DISTINCT FROM (s.n_users, s.prior, s.popularity);

-- name: heaviest_seen
-- The heaviest of a taste that were watched, heaviest first; of these items where they are given.
SELECT h.item_id
FROM unnest(coalesce(CAST(:item_ids AS bigint[]),
                     (SELECT t.item_ids FROM tastes t
                      WHERE t.server_id = :server_id AND t.user_id = :user_id AND t.space_id = :space_id AND t.facet = 0)))
     WITH ORDINALITY AS h (item_id, number)
JOIN engagement g ON g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = h.item_id AND g.is_seen AND NOT g.is_hidden
ORDER BY h.number
LIMIT 10;
