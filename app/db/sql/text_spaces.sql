-- name: unpin
UPDATE spaces SET pinned_over = NULL WHERE server_id = :server_id AND kind = 'text' AND status = 'live' AND pinned_over IS NOT NULL;

-- name: note_filled
-- What it holds now is what it should hold from here on.
UPDATE spaces s
SET n_vectors = (SELECT count(*) FROM item_vectors v WHERE v.server_id = :server_id AND v.space_id = :space_id AND v.shelf = :shelf),
    fault = NULL
WHERE s.server_id = :server_id AND s.id = :space_id;

-- name: set_fault
UPDATE spaces SET fault = :fault WHERE server_id = :server_id AND id = :space_id;

-- name: list_spaces
SELECT id, created_at, live_at, kept_at
FROM spaces
WHERE server_id = :server_id AND status <> 'retired'
ORDER BY id DESC;

-- name: retire_kept
-- Not while something is wrong with the one that serves.
UPDATE spaces k
SET status = 'retired'
WHERE k.server_id = :server_id AND k.status = 'kept' AND coalesce(k.kept_at, k.live_at) < :before
  AND NOT EXISTS (
      SELECT FROM spaces l WHERE l.server_id = :server_id AND l.kind = k.kind AND l.status = 'live' AND l.fault IS NOT NULL);
