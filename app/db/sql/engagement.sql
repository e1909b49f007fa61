-- Engagement is a function of what is stored: whatever arrives in whatever order, rolling up the (user, item)
-- pairs it touched ends in the same rows.

-- name: create_touched
CREATE TEMP TABLE IF NOT EXISTS touched (user_id bigint NOT NULL, item_id bigint NOT NULL) ON COMMIT DELETE ROWS;

-- name: roll_up
WITH touched_pairs AS MATERIALIZED (
    SELECT DISTINCT user_id, item_id FROM touched
),
said AS MATERIALIZED (
    SELECT t.user_id, t.item_id, e.id AS entry_id, e.kind IN ('movie', 'series') AS of_title,
           s.kind, s.value, s.at, coalesce(s.at, s.received_at) AS said_at, s.signal_order, s.source_key
    FROM touched_pairs t
    JOIN entries e ON e.server_id = :server_id AND e.item_id = t.item_id
    JOIN signals s ON s.server_id = :server_id AND s.user_id = t.user_id AND s.entry_id = e.id
    WHERE s.kind NOT IN ('shown', 'clicked')
),
-- The last word on whether an entry was watched.
marks AS MATERIALIZED (
    SELECT DISTINCT ON (user_id, item_id, entry_id) *
    FROM said
    WHERE kind IN ('watched', 'unwatched')
    ORDER BY user_id, item_id, entry_id, said_at DESC, signal_order DESC NULLS LAST, source_key
),
-- Plays that no later "unwatched", of the entry or of the whole title, took back.
standing_plays AS (
    SELECT t.user_id, t.item_id, e.id AS entry_id, p.source, p.source_key,
           p.started_at, p.play_order, p.played_seconds, p.percent, p.is_completed
    FROM touched_pairs t
    JOIN entries e ON e.server_id = :server_id AND e.item_id = t.item_id
    JOIN plays p ON p.server_id = :server_id AND p.user_id = t.user_id AND p.entry_id = e.id
    WHERE NOT EXISTS (
        SELECT FROM marks m
        WHERE m.user_id = t.user_id AND m.item_id = t.item_id AND m.kind = 'unwatched'
          AND (m.entry_id = e.id OR m.of_title)
          AND CASE
                  WHEN p.started_at IS NOT NULL THEN p.started_at <= m.said_at
                  WHEN p.play_order IS NOT NULL AND m.signal_order IS NOT NULL THEN p.play_order <= m.signal_order
                  ELSE true
              END
    )
),
-- Plays of one entry that overlap in time are one sitting, whichever doors told of it.
overlapping AS (
    SELECT *,
           started_at + make_interval(secs => coalesce(played_seconds, 0)) AS ended_at,
           max(started_at + make_interval(secs => coalesce(played_seconds, 0))) OVER (
               PARTITION BY user_id, entry_id ORDER BY started_at NULLS LAST, source, source_key
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS busy_until
    FROM standing_plays
),
numbered AS (
    SELECT *,
           count(*) FILTER (WHERE started_at IS NULL OR busy_until IS NULL OR started_at > busy_until) OVER (
               PARTITION BY user_id, entry_id ORDER BY started_at NULLS LAST, source, source_key
           ) AS sitting
    FROM overlapping
),
sittings AS (
    SELECT user_id, item_id, entry_id,
           max(played_seconds) AS played_seconds,
           greatest(max(percent) / 100, CASE WHEN bool_or(is_completed) THEN 1 END) AS fraction,
           max(ended_at) AS at,
           max(play_order) AS in_order,
           1 AS n_plays
    FROM numbered
    GROUP BY user_id, item_id, entry_id, sitting
    UNION ALL
    SELECT user_id, item_id, entry_id, NULL, 1, at, signal_order, 0
    FROM marks m
    WHERE m.kind = 'watched'
      AND NOT EXISTS (
          SELECT FROM marks later
          WHERE later.user_id = m.user_id AND later.item_id = m.item_id AND later.kind = 'unwatched'
            AND later.of_title AND later.said_at > m.said_at
      )
),
-- A part is an episode, whatever its number of versions, or the film.
parts AS (
    SELECT s.user_id, s.item_id,
           CASE e.kind WHEN 'episode' THEN coalesce(e.season_number || '/' || e.episode_number, 'entry ' || e.id) ELSE e.kind END AS part,
           bool_or(e.kind = 'episode') AS is_episode,
           sum(s.n_plays) AS n_plays,
           least(1, greatest(max(s.fraction), sum(s.played_seconds)::real / nullif(max(e.runtime_seconds), 0))) AS completion,
           max(s.at) AS last_at,
           max(s.in_order) AS last_order
    FROM sittings s
    JOIN entries e ON e.server_id = :server_id AND e.id = s.entry_id
    GROUP BY 1, 2, 3
),
watched AS (
    SELECT user_id, item_id, sum(n_plays)::int AS n_plays, count(*) FILTER (WHERE is_episode)::int AS n_episodes,
           avg(completion)::real AS completion, max(last_at) AS last_at, max(last_order) AS last_order
    FROM parts
    GROUP BY user_id, item_id
),
last_said AS (
    SELECT DISTINCT ON (user_id, item_id, subject) *
    FROM (SELECT *, CASE WHEN kind IN ('like', 'dislike') THEN 'liking' ELSE kind END AS subject FROM said) AS s
    WHERE kind NOT IN ('watched', 'unwatched')
    ORDER BY user_id, item_id, subject, of_title DESC, said_at DESC, signal_order DESC NULLS LAST, source_key
),
opinions AS (
    SELECT user_id, item_id,
           max(value) FILTER (WHERE kind = 'rating') AS rating,
           max(at) FILTER (WHERE kind = 'rating' AND value IS NOT NULL) AS rated_at,
           max(signal_order) FILTER (WHERE kind = 'rating' AND value IS NOT NULL) AS rated_order,
           coalesce(bool_or(value > 0) FILTER (WHERE kind = 'favourite'), false) AS is_favourite,
           bool_or(kind = 'like') FILTER (WHERE subject = 'liking' AND value > 0) AS is_liked,
           coalesce(bool_or(value > 0) FILTER (WHERE kind = 'watchlist'), false) AS is_watchlisted,
           coalesce(bool_or(value > 0) FILTER (WHERE kind = 'hide'), false) AS is_hidden
    FROM last_said
    GROUP BY user_id, item_id
),
rolled AS MATERIALIZED (
    SELECT t.user_id, t.item_id,
           coalesce(w.n_plays, 0) AS n_plays,
           coalesce(w.n_episodes, 0) AS n_episodes,
           w.completion,
           greatest(w.last_at, o.rated_at) AS last_at,
           greatest(w.last_order, o.rated_order) AS last_order,
           o.rating,
           coalesce(o.is_favourite, false) AS is_favourite,
           o.is_liked,
           coalesce(o.is_watchlisted, false) AS is_watchlisted,
           coalesce(o.is_hidden, false) AS is_hidden,
           w.user_id IS NOT NULL OR o.rating IS NOT NULL AS is_seen
    FROM touched_pairs t
    LEFT JOIN watched w USING (user_id, item_id)
    LEFT JOIN opinions o USING (user_id, item_id)
),
written AS (
    INSERT INTO engagement AS g (server_id, user_id, item_id, n_plays, n_episodes, completion, last_at, last_order, rating,
                                 is_favourite, is_liked, is_watchlisted, is_hidden, is_seen)
    SELECT :server_id, user_id, item_id, n_plays, n_episodes, completion, last_at, last_order, rating,
           is_favourite, is_liked, is_watchlisted, is_hidden, is_seen
    FROM rolled
    WHERE is_seen OR is_favourite OR is_liked IS NOT NULL OR is_watchlisted OR is_hidden
    ON CONFLICT (server_id, user_id, item_id) DO UPDATE SET
        n_plays = excluded.n_plays, n_episodes = excluded.n_episodes, completion = excluded.completion,
        last_at = excluded.last_at, last_order = excluded.last_order, rating = excluded.rating,
        is_favourite = excluded.is_favourite, is_liked = excluded.is_liked, is_watchlisted = excluded.is_watchlisted,
        is_hidden = excluded.is_hidden, is_seen = excluded.is_seen
    WHERE (g.n_plays, g.n_episodes, g.completion, g.last_at, g.last_order, g.rating,
           g.is_favourite, g.is_liked, g.is_watchlisted, g.is_hidden, g.is_seen)
          IS DISTINCT FROM
          (excluded.n_plays, excluded.n_episodes, excluded.completion, excluded.last_at, excluded.last_order, excluded.rating,
           excluded.is_favourite, excluded.is_liked, excluded.is_watchlisted, excluded.is_hidden, excluded.is_seen)
    RETURNING g.user_id
),
removed AS (
    DELETE FROM engagement g
    USING rolled r
    WHERE g.server_id = :server_id AND g.user_id = r.user_id AND g.item_id = r.item_id
      AND NOT (r.is_seen OR r.is_favourite OR r.is_liked IS NOT NULL OR r.is_watchlisted OR r.is_hidden)
    RETURNING g.user_id
)
UPDATE users u
SET engagement_version = u.engagement_version + 1
FROM (SELECT user_id FROM written UNION SELECT user_id FROM removed) AS changed
WHERE u.server_id = :server_id AND u.id = changed.user_id;
