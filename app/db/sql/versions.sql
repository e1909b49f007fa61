-- name: find_versions
-- One row whatever is found: what find_access finds, and the versions of what an answer to this user depends on. xmin, the transaction
-- that wrote a row, changes with every change of it. Of more than 50 users each is not looked at: a million take 92 ms.
SELECT k.id AS key_id, k.name AS key_name, k.scopes, k.server_id AS key_server_id, s.id, s.external_id, s.name, s.kind, s.settings,
       CAST(s.xmin AS text) AS server_version, CAST(u.xmin AS text) AS user_version, m.id AS ranker_id, live.versions AS space_versions,
       CASE WHEN :with_others
            THEN (SELECT CASE WHEN count(*) <= 50 THEN coalesce(sum(o.engagement_version), 0) END
                  FROM (SELECT engagement_version FROM users WHERE server_id = s.id LIMIT 51) AS o) END AS others_version
FROM (SELECT) AS always
LEFT JOIN keys k ON k.digest = :digest AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
LEFT JOIN servers s ON s.external_id = :server
LEFT JOIN users u ON u.server_id = s.id AND u.external_id = :user
LEFT JOIN models m ON m.server_id = s.id AND m.kind = 'ranker' AND m.status = 'live'
LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(':', p.id, p.xmin, coalesce(CAST(t.xmin AS text), '-'), t.due_at <= :now), ' ' ORDER BY p.id) AS versions
    FROM spaces p
    LEFT JOIN tastes t ON t.server_id = s.id AND t.user_id = u.id AND t.space_id = p.id AND t.facet = 0
    WHERE p.server_id = s.id AND p.status = 'live'
) AS live ON true;

-- name: touch_catalogue
UPDATE servers SET catalogue_version = catalogue_version + 1 WHERE id = :server_id;

-- name: touch_catalogue_of_live
-- A space that is being built is answered from by nobody.
UPDATE servers
SET catalogue_version = catalogue_version + 1
WHERE id = :server_id AND EXISTS (SELECT FROM spaces WHERE server_id = :server_id AND id = :space_id AND status = 'live');
