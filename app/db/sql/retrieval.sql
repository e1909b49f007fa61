-- name: find_asker
SELECT u.id AS user_id, u.name, u.is_disabled, u.is_opted_out, u.engagement_version, u.has_all_libraries,
       ARRAY(SELECT l.library_id FROM user_libraries l WHERE l.server_id = :server_id AND l.user_id = u.id) AS library_ids,
       u.max_parental_age, u.blocked_tags, u.allowed_tags,
       s.id AS space_id, s.shelf, s.dimension,
       t.engagement_version AS taste_version, t.due_at, t.taste IS NOT NULL AS is_known, t.n_items,
       (SELECT l.id FROM libraries l WHERE l.server_id = :server_id AND l.external_id = :library) AS wanted_library_id
FROM users u
LEFT JOIN spaces s ON s.server_id = :server_id AND s.kind = 'text' AND s.status = 'live'
LEFT JOIN tastes t ON t.server_id = :server_id AND t.user_id = u.id AND t.space_id = s.id AND t.facet = 0
WHERE u.server_id = :server_id AND u.external_id = :user AND u.name IS NOT NULL AND u.erased_at IS NULL;
