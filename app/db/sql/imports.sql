-- name: begin_import
-- The same file for the same people, brought again or broken off before, is the same import.
INSERT INTO imports AS i (server_id, kind, file_name, digest, begun_at)
VALUES (:server_id, :kind, :file_name, :digest, :now)
ON CONFLICT (server_id, kind, digest) WHERE undone_at IS NULL DO UPDATE SET file_name = excluded.file_name
RETURNING i.id, i.ended_at;

-- name: end_import
UPDATE imports SET ended_at = coalesce(ended_at, :now), counts = CAST(:counts AS jsonb) WHERE server_id = :server_id AND id = :id;

-- name: list_imports
SELECT id, kind, file_name, counts, begun_at, ended_at, undone_at
FROM imports
WHERE server_id = :server_id AND (CAST(:only AS bigint) IS NULL OR id = :only)
ORDER BY id;

-- name: take_back
-- A page of what this import brought: what no other import brought goes. In the order of the keys, so that each is looked at once.
WITH due AS MATERIALIZED (
    SELECT source_key, cardinality(import_ids) = 1 AS is_last
    FROM {stored}
    WHERE server_id = :server_id AND source = :source AND import_ids @> ARRAY[CAST(:id AS bigint)]
      AND (CAST(:after AS uuid) IS NULL OR source_key > CAST(:after AS uuid))
    ORDER BY source_key
    LIMIT :limit
),
gone AS (
    DELETE FROM {stored} p
    USING due d
    WHERE p.server_id = :server_id AND p.source = :source AND p.source_key = d.source_key AND d.is_last
    RETURNING p.user_id, p.entry_id
),
kept AS (
    UPDATE {stored} p
    SET import_ids = array_remove(p.import_ids, CAST(:id AS bigint))
    FROM due d
    WHERE p.server_id = :server_id AND p.source = :source AND p.source_key = d.source_key AND NOT d.is_last
    RETURNING 1
),
touching AS (
    INSERT INTO touched (user_id, item_id)
    SELECT DISTINCT g.user_id, e.item_id
    FROM gone g
    JOIN entries e ON e.server_id = :server_id AND e.id = g.entry_id
    WHERE e.item_id IS NOT NULL
)
SELECT (SELECT count(*) FROM gone) AS n_gone, (SELECT count(*) FROM kept) AS n_kept,
       (SELECT max(CAST(source_key AS text) COLLATE "C") FROM due) AS last_key;

-- name: end_undo
UPDATE imports SET undone_at = :now WHERE server_id = :server_id AND id = :id;
