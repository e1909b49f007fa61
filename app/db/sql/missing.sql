-- name: create_staged_ids
CREATE TEMP TABLE IF NOT EXISTS staged_ids (external_id text COLLATE "C") ON COMMIT DELETE ROWS;

-- name: list_living
-- By library; '' for none.
SELECT coalesce(l.external_id, '') AS library, array_agg(e.external_id) AS external_ids
FROM entries e
LEFT JOIN libraries l ON l.server_id = :server_id AND l.id = e.library_id
WHERE e.server_id = :server_id AND e.kind IS NOT NULL AND e.deleted_at IS NULL
GROUP BY 1;

-- name: delete_entries
WITH gone AS (
    UPDATE entries e
    SET deleted_at = :now
    FROM staged_ids s
    WHERE e.server_id = :server_id AND e.external_id = s.external_id AND e.kind IS NOT NULL AND e.deleted_at IS NULL
    RETURNING e.id
)
INSERT INTO changed (entry_id, is_new) SELECT id, false FROM gone;
