-- name: lock_user
-- What others said of this user before is committed then; what they say later waits.
SELECT u.id
FROM users u
WHERE u.server_id = :server_id AND u.external_id = :user AND u.name IS NOT NULL AND u.erased_at IS NULL
FOR NO KEY UPDATE;

-- name: find_title
-- The title that an entry is or belongs to, and what this user has said of hiding it under any entry of its item.
SELECT title.external_id, said.newest_at IS NOT NULL AS was_said,
       EXISTS (
           SELECT FROM engagement g
           WHERE g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = title.item_id AND g.is_hidden
       ) AS is_hidden,
       -- The database's clock, as for signals that come without a time; and after all of them, those from the future too.
       greatest(now(), said.newest_at + interval '1 microsecond') AS next_at,
       -- One row for each user and title: what is said later takes the place of what was said before.
       md5('hidden ' || CAST(:user_id AS bigint) || ' ' || title.id) AS source_key
FROM entries named
JOIN entries title ON title.server_id = :server_id AND title.item_id = named.item_id
                  AND title.id = CASE WHEN named.kind IN ('movie', 'series') THEN named.id ELSE named.series_id END
CROSS JOIN LATERAL (
    SELECT max(coalesce(s.at, s.received_at)) AS newest_at
    FROM entries e
    JOIN signals s ON s.server_id = :server_id AND s.user_id = :user_id AND s.entry_id = e.id
    WHERE e.server_id = :server_id AND e.item_id = title.item_id AND s.kind = 'hide'
) AS said
WHERE named.server_id = :server_id AND named.external_id = :entry;

-- name: list_hidden
-- Nothing that was said can be later than its coming here: a sender's clock may be wrong.
SELECT shown.external_id, shown.name, i.kind, i.year,
       (SELECT max(least(s.at, s.received_at))
        FROM entries e
        JOIN signals s ON s.server_id = :server_id AND s.user_id = :user_id AND s.entry_id = e.id
        WHERE e.server_id = :server_id AND e.item_id = i.id AND s.kind = 'hide' AND s.value > 0) AS hidden_at
FROM engagement g
JOIN items i ON i.server_id = :server_id AND i.id = g.item_id
CROSS JOIN LATERAL (
    SELECT e.external_id, CASE WHEN e.id = i.entry_id THEN i.name ELSE e.body->>'name' END AS name
    FROM entries e
    WHERE {open_entry}
    ORDER BY e.id = i.entry_id DESC, e.external_id LIMIT 1
) AS shown
WHERE g.server_id = :server_id AND g.user_id = :user_id AND g.is_hidden
ORDER BY hidden_at DESC, i.id;
