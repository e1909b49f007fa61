-- name: hold_name
SELECT pg_advisory_xact_lock(hashtextextended('palate job ' || CAST(:name AS text), 0));

-- name: find_queued
SELECT id
FROM jobs
WHERE name = :name AND status = 'queued' AND server_id IS NOT DISTINCT FROM CAST(:server_id AS bigint)
  AND user_id IS NOT DISTINCT FROM CAST(:user_id AS bigint)
ORDER BY id
LIMIT 1;

-- name: create_job
-- No row: another has started it for this tick.
INSERT INTO jobs (server_id, name, user_id, tick, queued_at)
VALUES (:server_id, :name, :user_id, :tick, :now)
ON CONFLICT (server_id, name, tick) WHERE tick IS NOT NULL DO NOTHING
RETURNING id;

-- name: find_queue
-- The queue's functions and triggers name their tables without their schema.
SELECT set_config('search_path', current_setting('search_path') || ', procrastinate', true);

-- name: set_queue_id
UPDATE jobs SET queue_id = :queue_id WHERE id = :id;

-- name: find_jobs
SELECT j.id, j.name, j.server_id, s.external_id AS server, j.user_id, u.external_id AS "user", j.status, j.tick, j.attempt,
       j.n_failures, j.done, j.total, j.counters, j.error, j.queued_at, j.started_at, j.finished_at
FROM jobs j
LEFT JOIN servers s ON s.id = j.server_id
LEFT JOIN users u ON u.server_id = j.server_id AND u.id = j.user_id
WHERE (CAST(:id AS bigint) IS NULL OR j.id = :id)
  AND (CAST(:only AS bigint) IS NULL OR j.server_id = :only)
  AND (CAST(:name AS text) IS NULL OR j.name = :name)
  AND (CAST(:status AS text) IS NULL OR j.status = :status)
ORDER BY j.id DESC
LIMIT :limit;

-- name: start_job
-- Also one that is running by its row: the queue hands out no job twice, so its worker is gone.
UPDATE jobs
SET status = CASE WHEN is_cancelling THEN 'cancelled' ELSE 'running' END, finished_at = CASE WHEN is_cancelling THEN :now END,
    started_at = :now, attempt = attempt + 1, done = 0, total = 0, counters = '{}', error = NULL
WHERE id = :id AND status IN ('queued', 'running')
RETURNING status;

-- name: tell_progress
-- No row: the job was handed to another worker.
UPDATE jobs SET done = :done, total = :total WHERE id = :id AND attempt = :attempt AND status = 'running' RETURNING is_cancelling;

-- name: finish_job
UPDATE jobs
SET status = :status, counters = CAST(:counters AS jsonb), error = :error, finished_at = :now,
    done = CASE WHEN CAST(:status AS text) = 'succeeded' THEN total ELSE done END
WHERE id = :id AND attempt = :attempt AND status = 'running';

-- name: put_back
UPDATE jobs
SET status = CASE WHEN is_cancelling THEN 'cancelled' ELSE 'queued' END, finished_at = CASE WHEN is_cancelling THEN :now END, error = :error,
    n_failures = n_failures + CASE WHEN CAST(:error AS text) IS NULL THEN 0 ELSE 1 END
WHERE id = :id AND attempt = :attempt AND status = 'running';

-- name: cancel_job
UPDATE jobs
SET is_cancelling = true, status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END,
    finished_at = CASE status WHEN 'queued' THEN CAST(:now AS timestamptz) END
WHERE id = :id AND status IN ('queued', 'running')
RETURNING queue_id;

-- name: is_open_or_vain
SELECT EXISTS (SELECT FROM jobs WHERE name = :name AND server_id = :server_id AND status IN ('queued', 'running'))
    OR EXISTS (SELECT FROM jobs
               WHERE name = :name AND server_id = :server_id AND finished_at > :since
                 AND (status IN ('failed', 'cancelled') OR status = 'succeeded' AND counters = '{}'));

-- name: mend_heartbeats
-- A clock that was ahead and was set back: what is dead would seem alive until it gets there again.
UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() WHERE last_heartbeat > now() + interval '1 minute';

-- name: mend_waits
-- And what waits would wait until then, with all that comes after it under its lock. A minute is what clocks may differ by.
UPDATE procrastinate.procrastinate_jobs SET scheduled_at = now()
WHERE status = 'todo' AND scheduled_at > now() + CAST(:longest_wait AS interval) + interval '1 minute';

-- name: forget_stalled
-- What a dead worker was doing, and what ended here without the queue having heard of it. Its row in the queue goes and another takes its
-- place: a worker that was taken for dead and is not can't end what is no longer its own.
WITH stalled AS (
    SELECT p.id
    FROM procrastinate.procrastinate_jobs p
    LEFT JOIN procrastinate.procrastinate_workers w ON w.id = p.worker_id
    WHERE p.status = 'doing'
      AND (w.id IS NULL OR w.last_heartbeat < now() - CAST(:silent_for AS interval)
           OR EXISTS (SELECT FROM jobs j WHERE j.id = CAST(p.args->>'job_id' AS bigint) AND j.status <> 'running')
              AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_events e
                              WHERE e.job_id = p.id AND e.type = 'started' AND e.at > now() - CAST(:silent_for AS interval)))
    FOR UPDATE OF p SKIP LOCKED
)
DELETE FROM procrastinate.procrastinate_jobs p
USING stalled s
WHERE p.id = s.id
RETURNING CAST(p.args->>'job_id' AS bigint) AS job_id;

-- name: hand_back
-- One that was not running was handed back by its worker itself, or never begun.
WITH found AS (
    SELECT id, n_lost + CASE WHEN status = 'running' THEN 1 ELSE 0 END AS n_lost
    FROM jobs
    WHERE id = :id AND status IN ('queued', 'running')
    FOR UPDATE
)
UPDATE jobs j
SET status = CASE WHEN is_cancelling THEN 'cancelled' WHEN f.n_lost >= :most THEN 'failed' ELSE 'queued' END,
    finished_at = CASE WHEN is_cancelling OR f.n_lost >= :most THEN now() END,
    error = CASE WHEN status = 'running' THEN 'Its worker died while it ran.' ELSE error END,
    n_lost = f.n_lost
FROM found f
WHERE j.id = f.id
RETURNING j.status, j.name, j.server_id;

-- name: close_lost
UPDATE jobs j
SET status = 'failed', error = 'The queue lost it.', finished_at = now()
WHERE j.status IN ('queued', 'running')
  AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs p WHERE p.id = j.queue_id AND p.status IN ('todo', 'doing'));

-- name: last_ticks
SELECT s.id AS server_id, n.name, s.created_at, t.tick
FROM servers s
CROSS JOIN unnest(CAST(:names AS text[])) AS n (name)
LEFT JOIN LATERAL (
    SELECT j.tick FROM jobs j WHERE j.server_id = s.id AND j.name = n.name AND j.tick <= :now ORDER BY j.tick DESC LIMIT 1
) AS t ON true
ORDER BY s.id, n.name;

-- name: prune_jobs
DELETE FROM jobs WHERE (server_id = :server_id OR server_id IS NULL) AND finished_at < :before;

-- name: outcomes
SELECT name, status, count(*) AS n_jobs, avg(extract(epoch FROM finished_at - started_at)) AS seconds
FROM jobs
WHERE finished_at > :since
GROUP BY name, status
ORDER BY name, status;

-- name: queue_figures
SELECT count(*) AS n_queued, coalesce(extract(epoch FROM :now - min(queued_at)), 0) AS oldest_seconds FROM jobs WHERE status = 'queued';
