-- What came of what was shown. A title counts as shown once for each user, day and row of the page: at its best rank there, and from the
-- first time it stood there that day. It counts as watched where the same user then began it, or, having begun it before, played more of
-- it. Items found by several sources count for each of them, so the sums over sources exceed what was shown: the source 'any' counts each
-- once. Ranks below the deepest that is told apart count as that one. What is told only later, once a day is settled, no longer counts.

-- name: count_state
SELECT (SELECT max(day) FROM watch_through WHERE server_id = :server_id) AS counted_on,
       CAST((SELECT min(served_at) FROM slates WHERE server_id = :server_id) AT TIME ZONE 'UTC' AS date) AS first_on;

-- name: forget_day
DELETE FROM watch_through WHERE server_id = :server_id AND day = :day;

-- name: count_day
WITH of_day AS (
    SELECT s.user_id, s.row_id, s.served_at, s.id, coalesce(s.model_id, 0) AS model_id, i.item_id, i.sources,
           least(s.first_rank + i.place - 1, :deepest) AS rank
    FROM slates s
    JOIN users u ON u.server_id = :server_id AND u.id = s.user_id AND NOT u.is_opted_out AND u.erased_at IS NULL
    CROSS JOIN LATERAL unnest(s.item_ids, s.sources) WITH ORDINALITY AS i (item_id, sources, place)
    WHERE s.server_id = :server_id AND s.served_at >= :begins_at AND s.served_at < :ends_at
),
shown AS (
    SELECT DISTINCT ON (user_id, row_id, item_id) user_id, row_id, item_id, model_id, sources, rank,
           min(served_at) OVER (PARTITION BY user_id, row_id, item_id) AS shown_at
    FROM of_day
    ORDER BY user_id, row_id, item_id, rank, served_at, id
),
outcomes AS (
    SELECT s.row_id, s.model_id, s.sources, s.rank,
           coalesce(CASE
               WHEN g.first_at > s.shown_at THEN g.first_at <= s.shown_at + CAST(:within AS interval)
               WHEN g.first_at <= s.shown_at THEN EXISTS (
                   SELECT
                   FROM entries e
                   JOIN plays p ON p.server_id = :server_id AND p.user_id = s.user_id AND p.entry_id = e.id
                   WHERE e.server_id = :server_id AND e.item_id = s.item_id
                     AND p.started_at > s.shown_at AND p.started_at <= s.shown_at + CAST(:within AS interval))
           END, false) AS is_watched
    FROM shown s
    LEFT JOIN engagement g ON g.server_id = :server_id AND g.user_id = s.user_id AND g.item_id = s.item_id
)
INSERT INTO watch_through (server_id, day, row_id, model_id, source, rank, n_shown, n_watched)
SELECT :server_id, :day, o.row_id, o.model_id, f.source, o.rank, count(*), count(*) FILTER (WHERE o.is_watched)
FROM outcomes o
CROSS JOIN LATERAL (SELECT 'any' UNION SELECT unnest(string_to_array(o.sources, '+'))) AS f (source)
GROUP BY o.row_id, o.model_id, f.source, o.rank;

-- name: forget_before
DELETE FROM watch_through WHERE server_id = :server_id AND day < :before;

-- name: read_watch_through
SELECT CASE CAST(:by AS text) WHEN 'source' THEN source WHEN 'rank' THEN CAST(rank AS text) WHEN 'model' THEN CAST(model_id AS text)
           ELSE row_id END AS key,
       sum(n_shown) AS n_shown, sum(n_watched) AS n_watched
FROM watch_through
WHERE server_id = :server_id AND day >= :since AND (source = 'any' OR CAST(:by AS text) = 'source')
GROUP BY key
ORDER BY CASE WHEN CAST(:by AS text) = 'rank' THEN min(rank) END, n_shown DESC, key;

-- name: watch_through_of_all
-- A server at a time: its days are one range of the index.
SELECT w.source, sum(w.n_shown) AS n_shown, sum(w.n_watched) AS n_watched
FROM servers s
CROSS JOIN LATERAL (
    SELECT source, sum(n_shown) AS n_shown, sum(n_watched) AS n_watched
    FROM watch_through
    WHERE server_id = s.id AND day >= :since
    GROUP BY source
) AS w
GROUP BY w.source
ORDER BY w.source;
