-- name: spaces_of_kind
SELECT id, server_id, kind, status, model_name, model_digest, template_version, dimension, shelf, centre, centre_source, pinned_over,
       n_vectors, fault
FROM spaces
WHERE server_id = :server_id AND kind = :kind AND status = ANY (:statuses)
ORDER BY id DESC;

-- name: find_space
SELECT id, server_id, kind, status, model_name, model_digest, template_version, dimension, shelf, centre, centre_source, pinned_over,
       n_vectors, fault
FROM spaces
WHERE server_id = :server_id AND id = :space_id;

-- name: live_spaces
SELECT id, server_id, kind, status, model_name, model_digest, template_version, dimension, shelf, centre, centre_source, pinned_over,
       n_vectors, fault
FROM spaces
WHERE server_id = :server_id AND status = 'live'
ORDER BY kind;

-- name: fresh_spaces
SELECT id, server_id, kind, status, model_name, model_digest, template_version, dimension, shelf, centre, centre_source, pinned_over,
       n_vectors, fault
FROM spaces
WHERE server_id = :server_id AND (status = 'live' OR status = 'kept' AND kind = 'text')
ORDER BY status DESC, kind;

-- name: create_space
INSERT INTO spaces (server_id, kind, status, model_name, model_digest, template_version, dimension, shelf)
VALUES (:server_id, :kind, 'building', :model_name, :model_digest, :template_version, :dimension, -:dimension)
RETURNING id;

-- name: retire_building
UPDATE spaces SET status = 'retired' WHERE server_id = :server_id AND kind = :kind AND status = 'building';

-- name: give_own_shelf
UPDATE spaces SET shelf = id WHERE server_id = :server_id AND id = :space_id;

-- name: set_centre
UPDATE spaces SET centre = :centre, centre_source = :centre_source WHERE server_id = :server_id AND id = :space_id;

-- name: hold_live
-- What serves is changed by one transaction at a time.
SELECT pg_advisory_xact_lock(hashtextextended(:name, 0));

-- name: retire_living
-- Before the successor goes live: one live space of a kind is a unique index. The one that was is kept in place of the one kept before,
-- but a revision by the same model (another centre, another shelf) leaves the way back to another model.
WITH successor AS (
    SELECT s.model_digest, s.template_version FROM spaces s WHERE s.server_id = :server_id AND s.id = :space_id
),
others AS (
    SELECT s.id, s.status, (s.model_digest, s.template_version) = (n.model_digest, n.template_version) AS is_alike
    FROM spaces s
    CROSS JOIN successor n
    WHERE s.server_id = :server_id AND s.kind = :kind AND s.id <> :space_id
      AND (s.status IN ('live', 'kept') OR s.status = 'candidate' AND s.model_name = :model_name)
),
decided AS (
    SELECT bool_or(status = 'live' AND is_alike) AND bool_or(status = 'kept' AND NOT is_alike) AS leaves_kept FROM others
)
UPDATE spaces s
SET status = CASE WHEN o.status = CASE WHEN d.leaves_kept THEN 'kept' ELSE 'live' END THEN 'kept' ELSE 'retired' END,
    kept_at = CASE WHEN o.status = 'live' THEN :now ELSE s.kept_at END, pinned_over = NULL, fault = NULL
FROM others o
CROSS JOIN decided d
WHERE s.server_id = :server_id AND s.id = o.id;

-- name: set_live
UPDATE spaces
SET status = 'live', live_at = :now, kept_at = NULL, pinned_over = :pinned_over, fault = :fault
WHERE server_id = :server_id AND id = :space_id;

-- name: put_aside
UPDATE spaces SET status = 'candidate' WHERE server_id = :server_id AND id = :space_id;

-- name: retire_candidates
UPDATE spaces
SET status = 'retired'
WHERE server_id = :server_id AND kind = :kind AND model_name = :model_name AND status = 'candidate';

-- name: read_card
SELECT card FROM spaces WHERE server_id = :server_id AND id = :space_id;

-- name: learning_state
-- What a revision was last learned from, whether it went live or not, and what there is now.
SELECT s.card->>'learned_at' AS learned_at, s.card->'people' AS learned_people,
       (SELECT count(*)
        FROM (SELECT FROM users WHERE server_id = :server_id AND engagement_version > 0 AND NOT is_opted_out LIMIT :enough) AS counted) AS n_users,
       (SELECT count(*) FROM (SELECT FROM engagement WHERE server_id = :server_id AND is_seen LIMIT :enough) AS counted) AS n_seen
FROM (SELECT) AS always
LEFT JOIN LATERAL (
    SELECT card
    FROM spaces
    WHERE server_id = :server_id AND kind = 'collab' AND status IN ('live', 'candidate') AND card->>'learned_at' IS NOT NULL
    ORDER BY id DESC
    LIMIT 1
) AS s ON true;

-- name: retired_spaces
SELECT id, shelf FROM spaces WHERE server_id = :server_id AND status = 'retired' ORDER BY id;

-- name: retire
UPDATE spaces SET status = 'retired' WHERE server_id = :server_id AND id = :space_id;

-- name: delete_vectors
DELETE FROM item_vectors WHERE server_id = :server_id AND space_id = :space_id AND shelf = :shelf;

-- name: delete_tastes
DELETE FROM tastes WHERE server_id = :server_id AND space_id = :space_id;

-- name: delete_space
DELETE FROM spaces WHERE server_id = :server_id AND id = :space_id;

-- name: count_items
SELECT count(*) FROM items WHERE server_id = :server_id;

-- name: items_to_embed
-- md5 of the identity: an order that is the same each time and has nothing to do with what the items are.
SELECT i.id, i.text_digest, e.body
FROM items i
JOIN entries e ON e.server_id = :server_id AND e.id = i.entry_id
LEFT JOIN item_vectors v ON v.server_id = :server_id AND v.space_id = :space_id AND v.shelf = :shelf AND v.item_id = i.id
WHERE i.server_id = :server_id AND v.text_digest IS DISTINCT FROM i.text_digest
ORDER BY md5(i.identity), i.id;

-- name: n_items_to_embed
SELECT count(*)
FROM items i
LEFT JOIN item_vectors v ON v.server_id = :server_id AND v.space_id = :space_id AND v.shelf = :shelf AND v.item_id = i.id
WHERE i.server_id = :server_id AND i.entry_id IS NOT NULL AND v.text_digest IS DISTINCT FROM i.text_digest;

-- name: n_vectors
SELECT count(*) FROM item_vectors WHERE server_id = :server_id AND space_id = :space_id AND shelf = :shelf;

-- name: create_staged_vectors
CREATE TEMP TABLE IF NOT EXISTS staged_vectors (item_id bigint, target halfvec, norm real, text_digest bytea) ON COMMIT DELETE ROWS;

-- name: write_vectors
INSERT INTO item_vectors AS v (server_id, space_id, shelf, item_id, target, norm, text_digest)
SELECT :server_id, :space_id, :shelf, item_id, target, norm, text_digest
FROM staged_vectors
ORDER BY item_id
ON CONFLICT (server_id, space_id, item_id, shelf) DO UPDATE SET
    target = excluded.target, norm = excluded.norm, text_digest = excluded.text_digest;

-- name: create_staged_learned
CREATE TEMP TABLE IF NOT EXISTS staged_learned (item_id bigint, history halfvec, target halfvec, is_predicted int) ON COMMIT DELETE ROWS;

-- name: write_learned
INSERT INTO item_vectors AS v (server_id, space_id, shelf, item_id, history, target, is_predicted)
SELECT :server_id, :space_id, :shelf, item_id, history, target, is_predicted = 1
FROM staged_learned
ORDER BY item_id
ON CONFLICT (server_id, space_id, item_id, shelf) DO UPDATE SET
    history = excluded.history, target = excluded.target, is_predicted = excluded.is_predicted;

-- name: set_card
UPDATE spaces SET card = CAST(:card AS jsonb) WHERE server_id = :server_id AND id = :space_id;

-- name: forget_missing_items
DELETE FROM item_vectors v
WHERE v.server_id = :server_id AND v.space_id = :space_id AND v.shelf = :shelf
  AND NOT EXISTS (SELECT FROM items i WHERE i.server_id = :server_id AND i.id = v.item_id);

-- name: is_detach_pending
-- No row: not a partition, or not any more.
SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(:name);
