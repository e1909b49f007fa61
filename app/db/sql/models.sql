-- name: create_model
INSERT INTO models (server_id, kind, name, status, parameters, metrics, data_window, card, code_revision, digest, bytes, created_at)
VALUES (:server_id, :kind, :name, 'candidate', CAST(:parameters AS jsonb), CAST(:metrics AS jsonb), CAST(:data_window AS jsonb),
        CAST(:card AS jsonb), :code_revision, :digest, :content, :now)
RETURNING id;

-- name: models
-- Newest first; of these statuses, and with this id, where they are given.
SELECT id, server_id, kind, name, status, parameters, metrics, data_window, card, code_revision, digest, octet_length(bytes) AS size_bytes,
       created_at, live_at, promoted_because
FROM models
WHERE server_id = :server_id
  AND (CAST(:kind AS text) IS NULL OR kind = :kind)
  AND (CAST(:status AS text) IS NULL OR status = :status)
  AND (CAST(:model_id AS bigint) IS NULL OR id = :model_id)
ORDER BY coalesce(live_at, created_at) DESC, id DESC;

-- name: live_models
SELECT server_id, id, octet_length(bytes) AS size_bytes
FROM models
WHERE status = 'live' AND (CAST(:only AS bigint) IS NULL OR server_id = :only)
ORDER BY live_at DESC, server_id, id;

-- name: read_bytes
SELECT bytes, digest FROM models WHERE server_id = :server_id AND id = :model_id;

-- name: write_comparison
UPDATE models
SET metrics = metrics || jsonb_build_object(
    'against',
    coalesce(metrics->'against', '{}') || jsonb_build_object(CAST(:other AS text), CAST(:difference AS jsonb))
)
WHERE server_id = :server_id AND id = :model_id;

-- name: hold
-- In one order, so that two who hold them do not wait for each other.
SELECT id FROM models WHERE server_id = :server_id AND kind = :kind ORDER BY id FOR NO KEY UPDATE;

-- name: keep_live
-- Before another goes live: one live model of a kind is a unique index.
UPDATE models SET status = 'kept' WHERE server_id = :server_id AND kind = :kind AND status = 'live';

-- name: retire_kept
UPDATE models SET status = 'retired' WHERE server_id = :server_id AND kind = :kind AND status = 'kept';

-- name: go_live
UPDATE models SET status = 'live', live_at = :now WHERE server_id = :server_id AND id = :model_id;

-- name: say_why
UPDATE models SET promoted_because = :because WHERE server_id = :server_id AND id = :model_id;

-- name: prune
DELETE FROM models m
USING (
    SELECT id, row_number() OVER (PARTITION BY status ORDER BY created_at DESC, id DESC) AS place
    FROM models
    WHERE server_id = :server_id AND kind = :kind
) AS ordered
WHERE m.server_id = :server_id AND m.id = ordered.id
  AND (m.status = 'retired' OR m.status = 'candidate' AND ordered.place > :n_candidates);
