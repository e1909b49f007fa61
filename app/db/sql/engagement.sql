-- Engagement is a function of what is stored: whatever arrives in whatever order, rolling up the (user, item)
-- pairs it touched ends in the same rows.

-- name: create_touched
CREATE TEMP TABLE IF NOT EXISTS touched (user_id bigint NOT NULL, item_id bigint NOT NULL) ON COMMIT DELETE ROWS;

-- name: roll_up
-- Nothing below joins two of the intermediate results: the planner can't know their sizes, and a nested loop of two
-- that hold a hundred thousand rows takes hours. They are put under one another and grouped.
WITH touched_pairs AS MATERIALIZED (
    SELECT DISTINCT user_id, item_id FROM touched
),
said AS MATERIALIZED (
    SELECT t.user_id, t.item_id, e.id AS entry_id, e.kind AS entry_kind, e.season_number, e.episode_number, e.runtime_seconds,
           e.kind IN ('movie', 'series') AS of_title,
           s.kind, s.value, s.at, coalesce(s.at, s.received_at) AS said_at, s.signal_order, s.source_key
    FROM touched_pairs t
    JOIN entries e ON e.server_id = :server_id AND e.item_id = t.item_id
    JOIN signals s ON s.server_id = :server_id AND s.user_id = t.user_id AND s.entry_id = e.id
    WHERE s.kind NOT IN ('shown', 'clicked')
),
-- The last word on whether an entry was watched.
marks AS (
    SELECT DISTINCT ON (user_id, item_id, entry_id) *
    FROM said
    WHERE kind IN ('watched', 'unwatched')
    ORDER BY user_id, item_id, entry_id, said_at DESC, signal_order DESC NULLS LAST, source_key
),
events AS (
    SELECT t.user_id, t.item_id, e.id AS entry_id, e.kind AS entry_kind, e.season_number, e.episode_number, e.runtime_seconds,
           e.kind IN ('movie', 'series') AS of_title, 'play' AS what, p.source, p.source_key, p.started_at, p.play_order,
           p.played_seconds, p.percent, p.is_completed, NULL::timestamptz AS said_at, NULL::timestamptz AS at, NULL::bigint AS signal_order
    FROM touched_pairs t
    JOIN entries e ON e.server_id = :server_id AND e.item_id = t.item_id
    JOIN plays p ON p.server_id = :server_id AND p.user_id = t.user_id AND p.entry_id = e.id
    UNION ALL
    SELECT user_id, item_id, entry_id, entry_kind, season_number, episode_number, runtime_seconds, of_title, kind, NULL, source_key,
           NULL, NULL, NULL, NULL, NULL, said_at, at, signal_order
    FROM marks
),
-- "Unwatched" takes back what came before it: of its entry, or of the whole title where it was said of that.
judged AS (
    SELECT *,
           greatest(max(said_at) FILTER (WHERE what = 'unwatched') OVER of_entry,
                    max(said_at) FILTER (WHERE what = 'unwatched' AND of_title) OVER of_item) AS unwatched_at,
           greatest(max(signal_order) FILTER (WHERE what = 'unwatched') OVER of_entry,
                    max(signal_order) FILTER (WHERE what = 'unwatched' AND of_title) OVER of_item) AS unwatched_order,
           count(*) FILTER (WHERE what = 'unwatched' AND signal_order IS NULL) OVER of_entry
               + count(*) FILTER (WHERE what = 'unwatched' AND signal_order IS NULL AND of_title) OVER of_item > 0 AS is_unordered,
           max(said_at) FILTER (WHERE what = 'unwatched' AND of_title) OVER of_item AS title_unwatched_at
    FROM events
    WINDOW of_entry AS (PARTITION BY user_id, item_id, entry_id), of_item AS (PARTITION BY user_id, item_id)
),
-- A part is an episode, whatever its number of versions, or the film. What is untimed is all that a media server knows of times before the
-- last: how many they were, and so a number of rows that say nothing, or that it was watched once, nobody knows when.
standing AS (
    SELECT *,
           CASE entry_kind WHEN 'episode' THEN coalesce(season_number || '/' || episode_number, 'entry ' || entry_id) ELSE entry_kind END AS part,
           what = 'play' AND source IN ('jellyfin', 'emby', 'plex') AS is_the_servers,
           what = 'play' AND source IN ('jellyfin', 'emby', 'plex') AND started_at IS NULL AND play_order IS NULL AS is_untimed
    FROM judged
    WHERE CASE
              WHEN what = 'watched' THEN title_unwatched_at IS NULL OR title_unwatched_at <= said_at
              WHEN what = 'unwatched' THEN false
              WHEN unwatched_at IS NULL THEN true
              WHEN started_at IS NOT NULL THEN started_at > unwatched_at
              ELSE play_order IS NOT NULL AND NOT is_unordered AND play_order > unwatched_order
          END
),
-- Plays of one part that overlap in time are one sitting, whichever doors told of it and whatever its file is called by now. One whose length
-- nobody told is taken to last as long here as what was seen of it, and a minute at least: a media server's own record and its webhook's begin
-- a moment apart, and a source that tells of a sitting's end and length (Jellystat) has it begin later by its pauses.
overlapping AS (
    SELECT *,
           started_at + make_interval(secs => coalesce(played_seconds, 0)) AS ended_at,
           max(started_at + make_interval(secs => coalesce(played_seconds, greatest(
               60, runtime_seconds * CASE WHEN is_completed THEN 1 ELSE percent / 100 END)))) OVER (
               PARTITION BY user_id, item_id, part, what ORDER BY started_at NULLS LAST, source, source_key
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS busy_until,
           min(started_at) FILTER (WHERE is_the_servers) OVER (PARTITION BY user_id, item_id, part, what) AS timed_from,
           count(*) FILTER (WHERE is_untimed AND percent IS NULL AND is_completed IS NULL) OVER (
               PARTITION BY user_id, item_id, part, what, entry_id ORDER BY source, source_key ROWS UNBOUNDED PRECEDING
           ) AS n_untimed
    FROM standing
),
-- Of what is untimed, the first of one version is the first of another, as a server tells the same of each; and that it was watched once is
-- one thing, however often and by whatever names it is told.
numbered AS (
    SELECT *,
           CASE WHEN is_untimed THEN -1 - CASE WHEN percent IS NULL AND is_completed IS NULL THEN n_untimed ELSE 0 END
                ELSE count(*) FILTER (WHERE started_at IS NULL OR busy_until IS NULL OR started_at > busy_until) OVER (
                    PARTITION BY user_id, item_id, part, what ORDER BY started_at NULLS LAST, source, source_key) END AS sitting
    FROM overlapping
),
sittings AS (
    SELECT user_id, item_id, part, entry_kind = 'episode' AS is_episode,
           bool_or(entry_kind = 'season' OR season_number = 0) AS is_aside,
           what = 'play' AS is_play,
           bool_and(is_untimed) AS is_untimed,
           -- Over before the server's own times begin, so that it may be one of those that it only counted.
           max(started_at) IS NOT NULL AND (max(started_at) < min(timed_from)) IS NOT FALSE AS is_early,
           max(runtime_seconds) AS runtime_seconds,
           max(played_seconds) AS played_seconds,
           greatest(max(percent) / 100, CASE WHEN bool_or(is_completed) OR what = 'watched' THEN 1 END) AS fraction,
           bool_or(is_completed IS DISTINCT FROM false) AS may_be_finished,
           greatest(max(ended_at), max(at)) AS at,
           least(min(started_at), min(at)) AS begun_at,
           greatest(max(play_order), max(signal_order)) AS in_order,
           least(min(play_order), min(signal_order)) AS begun_in_order
    FROM numbered
    GROUP BY user_id, item_id, part, entry_kind, what, sitting
),
parts AS (
    SELECT user_id, item_id, part, is_episode, coalesce(bool_or(is_aside), false) AS is_aside,
           -- An import or a webhook may tell with its time what the server had counted: untimed ones count beyond those.
           count(*) FILTER (WHERE is_play AND NOT is_untimed AND NOT is_early)
               + greatest(count(*) FILTER (WHERE is_play AND is_early), count(*) FILTER (WHERE is_untimed)) AS n_plays,
           -- LEAST and GREATEST pass NULL over: what is unknown must stay so.
           CASE WHEN greatest(max(fraction), sum(played_seconds)::real / nullif(max(runtime_seconds), 0)) > 1 THEN 1
                ELSE greatest(max(fraction), sum(played_seconds)::real / nullif(max(runtime_seconds), 0)) END AS completion,
           coalesce(sum(played_seconds)::real / nullif(max(runtime_seconds), 0), max(fraction)) AS played_ratio,
           bool_or(may_be_finished) AS may_be_finished, max(at) AS last_at, max(in_order) AS last_order,
           min(begun_at) AS first_at, min(begun_in_order) AS first_order
    FROM sittings
    GROUP BY user_id, item_id, part, is_episode
),
last_said AS (
    SELECT DISTINCT ON (user_id, item_id, subject) *
    FROM (SELECT *, CASE WHEN kind IN ('like', 'dislike') THEN 'liking' ELSE kind END AS subject FROM said) AS s
    WHERE kind NOT IN ('watched', 'unwatched')
    -- What is hidden is always the title, whatever part of it was named.
    ORDER BY user_id, item_id, subject, (of_title OR subject = 'hide') DESC, said_at DESC, signal_order DESC NULLS LAST, source_key
),
facts AS (
    SELECT user_id, item_id, true AS is_watched, n_plays, is_episode, completion, played_ratio, last_at, last_order,
           first_at, first_order, NULL::real AS rating, NULL::text AS kind, NULL::real AS value,
           -- What is not known to be broken off was watched to its end.
           NOT is_aside AND coalesce(completion >= 0.9, may_be_finished) AS is_finished, NULL::timestamptz AS said_at
    FROM parts
    UNION ALL
    SELECT user_id, item_id, false, 0, false, NULL, NULL,
           rated_at, rated_order, rated_at, rated_order, CASE WHEN kind = 'rating' THEN value END, kind, value, false,
           CASE WHEN kind <> 'rating' AND value > 0 THEN at END
    FROM (
        SELECT *, CASE WHEN kind = 'rating' AND value IS NOT NULL THEN at END AS rated_at,
               CASE WHEN kind = 'rating' AND value IS NOT NULL THEN signal_order END AS rated_order
        FROM last_said
    ) AS judged_signals
    UNION ALL
    SELECT user_id, item_id, false, 0, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL
    FROM touched_pairs
),
rolled AS MATERIALIZED (
    SELECT user_id, item_id,
           sum(n_plays)::int AS n_plays,
           count(*) FILTER (WHERE is_episode)::int AS n_episodes,
           avg(completion)::real AS completion,
           max(last_at) AS last_at,
           max(last_order) AS last_order,
           -- A rating says when something was begun only where nothing else was told of it.
           min(first_at) FILTER (WHERE is_watched OR NOT any_watched) AS first_at,
           min(first_order) FILTER (WHERE is_watched OR NOT any_watched) AS first_order,
           max(rating) AS rating,
           coalesce(bool_or(value > 0) FILTER (WHERE kind = 'favourite'), false) AS is_favourite,
           bool_or(kind = 'like') FILTER (WHERE kind IN ('like', 'dislike') AND value > 0) AS is_liked,
           coalesce(bool_or(value > 0) FILTER (WHERE kind = 'watchlist'), false) AS is_watchlisted,
           coalesce(bool_or(value > 0) FILTER (WHERE kind = 'hide'), false) AS is_hidden,
           bool_or(is_watched OR rating IS NOT NULL) AS is_seen,
           count(*) FILTER (WHERE is_episode AND is_finished)::int AS n_finished,
           -- Marked or played as a whole; or rated, where no play says otherwise.
           bool_or(is_finished AND NOT is_episode) OR bool_or(rating IS NOT NULL) AND NOT bool_or(is_watched) AS is_finished,
           avg(played_ratio)::real AS played_ratio,
           max(said_at) AS said_at
    FROM (SELECT *, bool_or(is_watched) OVER (PARTITION BY user_id, item_id) AS any_watched FROM facts) AS f
    GROUP BY user_id, item_id
),
written AS (
    INSERT INTO engagement AS g (server_id, user_id, item_id, n_plays, n_episodes, completion, last_at, last_order, rating,
                                 is_favourite, is_liked, is_watchlisted, is_hidden, is_seen, n_finished, is_finished, played_ratio,
                                 said_at, first_at, first_order)
    SELECT :server_id, user_id, item_id, n_plays, n_episodes, completion, last_at, last_order, rating,
           is_favourite, is_liked, is_watchlisted, is_hidden, is_seen, n_finished, is_finished, played_ratio, said_at,
           first_at, first_order
    FROM rolled
    WHERE is_seen OR is_favourite OR is_liked IS NOT NULL OR is_watchlisted OR is_hidden
    ON CONFLICT (server_id, user_id, item_id) DO UPDATE SET
        n_plays = excluded.n_plays, n_episodes = excluded.n_episodes, completion = excluded.completion,
        last_at = excluded.last_at, last_order = excluded.last_order, rating = excluded.rating,
        is_favourite = excluded.is_favourite, is_liked = excluded.is_liked, is_watchlisted = excluded.is_watchlisted,
        is_hidden = excluded.is_hidden, is_seen = excluded.is_seen,
        n_finished = excluded.n_finished, is_finished = excluded.is_finished, played_ratio = excluded.played_ratio,
        said_at = excluded.said_at, first_at = excluded.first_at, first_order = excluded.first_order
    WHERE (g.n_plays, g.n_episodes, g.completion, g.last_at, g.last_order, g.rating,
           g.is_favourite, g.is_liked, g.is_watchlisted, g.is_hidden, g.is_seen,
           g.n_finished, g.is_finished, g.played_ratio, g.said_at, g.first_at, g.first_order)
          IS DISTINCT FROM
          (excluded.n_plays, excluded.n_episodes, excluded.completion, excluded.last_at, excluded.last_order, excluded.rating,
           excluded.is_favourite, excluded.is_liked, excluded.is_watchlisted, excluded.is_hidden, excluded.is_seen,
           excluded.n_finished, excluded.is_finished, excluded.played_ratio, excluded.said_at,
           excluded.first_at, excluded.first_order)
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
