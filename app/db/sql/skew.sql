-- name: served_features
-- Ids are random: their first are a sample of the whole time.
SELECT s.features[1 : CAST(:n_values AS int)] AS features
FROM (
    SELECT id, row_id
    FROM slates
    WHERE server_id = :server_id AND served_at >= :since AND model_id = :model_id AND first_rank = 1 AND features IS NOT NULL
    ORDER BY id, row_id
    LIMIT :limit
) AS sample
JOIN slates s ON s.server_id = :server_id AND s.id = sample.id AND s.row_id = sample.row_id
WHERE cardinality(s.features) > 0 AND cardinality(s.features) = cardinality(s.item_ids) * :n_features;

-- name: forget_skew
DELETE FROM feature_skew WHERE server_id = :server_id;

-- name: write_skew
INSERT INTO feature_skew (server_id, model_id, feature, n_served, psi, kl, is_flagged, computed_at)
VALUES (:server_id, :model_id, :feature, :n_served, :psi, :kl, :is_flagged, :now);

-- name: read_skew
SELECT model_id, feature, n_served, psi, kl, is_flagged, computed_at
FROM feature_skew
WHERE server_id = :server_id
ORDER BY psi DESC NULLS LAST, feature;

-- name: skew_of_all
SELECT count(*) FILTER (WHERE is_flagged) AS n_flagged, coalesce(max(psi), 0) AS largest_psi FROM feature_skew;
