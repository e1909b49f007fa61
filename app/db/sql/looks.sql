-- name: note_look
-- Whatever was there: a clock that was ahead and was set back leaves no look in the future.
INSERT INTO looks (name, looked_at) VALUES (:name, now())
ON CONFLICT (name) DO UPDATE SET looked_at = excluded.looked_at;

-- name: last_looked_at
SELECT min(looked_at) FROM looks HAVING count(*) >= :n_names;
