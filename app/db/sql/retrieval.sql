-- name: find_asker
SELECT u.id AS user_id, u.name, u.is_disabled, u.is_opted_out, u.engagement_version, u.has_all_libraries,
       ARRAY(SELECT l.library_id FROM user_libraries l WHERE l.server_id = :server_id AND l.user_id = u.id) AS library_ids,
       u.max_parental_age, u.blocked_tags, u.allowed_tags, u.grant_id, live.spaces,
       (SELECT l.id FROM libraries l WHERE l.server_id = :server_id AND l.external_id = :library) AS wanted_library_id,
       (SELECT m.id FROM models m WHERE m.server_id = :server_id AND m.kind = 'ranker' AND m.status = 'live') AS ranker_id
FROM users u
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
               'id', s.id, 'kind', s.kind, 'shelf', s.shelf, 'dimension', s.dimension, 'strength', coalesce((s.card->>'strength')::float8, 1),
               'fault', s.fault,
               'version', t.engagement_version, 'recipe', t.recipe, 'due_at', extract(epoch FROM t.due_at),
               'is_known', t.taste IS NOT NULL, 'n_positive', cardinality(t.item_ids), 'recent_ids', t.recent_ids, 'n_items', t.n_items,
               'labels', facets.labels, 'shares', facets.shares) ORDER BY s.kind) AS spaces
    FROM spaces s
    LEFT JOIN tastes t ON t.server_id = :server_id AND t.user_id = u.id AND t.space_id = s.id AND t.facet = 0
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(f.label ORDER BY f.facet) AS labels, jsonb_agg(f.share ORDER BY f.facet) AS shares
        FROM tastes f
        WHERE f.server_id = :server_id AND f.user_id = u.id AND f.space_id = s.id AND f.facet > 0 AND f.computed_at = t.computed_at
    ) AS facets ON true
    WHERE s.server_id = :server_id AND s.status = 'live'
) AS live
WHERE u.server_id = :server_id AND u.external_id = :user AND u.name IS NOT NULL AND u.erased_at IS NULL;

-- name: find_live_spaces
SELECT id, kind, shelf, dimension, coalesce((card->>'strength')::float8, 1) AS strength, fault
FROM spaces
WHERE server_id = :server_id AND status = 'live'
ORDER BY kind;

-- name: find_item_id
-- Of any entry: a film or a series, a version of it, an episode.
SELECT e.item_id FROM entries e WHERE e.server_id = :server_id AND e.external_id = :entry AND e.deleted_at IS NULL;

-- name: find_items
SELECT i.id AS item_id, shown.external_id, shown.name, CAST(coalesce(v.history, v.target) AS text) AS vector
FROM unnest(CAST(:item_ids AS bigint[])) WITH ORDINALITY AS asked (item_id, number)
JOIN items i ON i.server_id = :server_id AND i.id = asked.item_id AND i.is_available
LEFT JOIN item_vectors v ON v.shelf = :shelf AND v.server_id = :server_id AND v.space_id = :space_id AND v.item_id = i.id
CROSS JOIN LATERAL (
    SELECT e.external_id, CASE WHEN e.id = i.entry_id THEN i.name ELSE e.body->>'name' END AS name
    FROM entries e
    WHERE {open_entry}
    ORDER BY e.id = i.entry_id DESC, e.external_id LIMIT 1
) AS shown
WHERE NOT EXISTS (
    SELECT FROM engagement g WHERE g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = i.id AND g.is_hidden)
ORDER BY asked.number;
