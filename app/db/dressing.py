"""What a candidate is shown with: its entry, its numbers, and the watched items that speak for it."""

from app.db.access import IN_LIBRARY, open_entry
from app.db.searches import Shape, in_space

MAX_BASED_ON = 3
# A title less like the item than this (cosine of centred vectors) is no reason for it, however much it weighs; in a space learned from
# behaviour, one that brings less than this part of how near the item is.
MIN_CLOSENESS = 0.15
MIN_PART = 0.05
# Nobody reads "watched by 2,341": counting ends here.
MAX_COUNTED = 50


def heaviest(shape: Shape) -> str:
    """What reasons are made of: watched, and open to the viewer now."""
    lead = shape.reasons_in
    return f"""
heaviest AS MATERIALIZED (
    SELECT h.item_id, h.weight, shown.external_id, shown.name,
           coalesce(v.history, v.target)::halfvec({shape.spaces[lead].dimension}) AS history
    FROM liked l
    CROSS JOIN LATERAL unnest(l.item_ids, l.item_weights) AS h (item_id, weight)
    JOIN engagement g ON g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = h.item_id AND g.is_seen AND NOT g.is_hidden
    JOIN items i ON i.server_id = :server_id AND i.id = h.item_id
    JOIN item_vectors v ON {in_space(shape, lead, "v")} AND v.item_id = h.item_id
    CROSS JOIN LATERAL (
        SELECT e.external_id, CASE WHEN e.id = i.entry_id THEN i.name ELSE e.body->>'name' END AS name
        FROM entries e WHERE {open_entry("i.id", shape.is_restricted)}
        ORDER BY e.id = i.entry_id DESC, e.external_id LIMIT 1
    ) AS shown
    WHERE :explain
)"""


def dressed(shape: Shape) -> str:
    based_on, n_others, n_lately, joins = "NULL::jsonb", "NULL::int", "NULL::int", ""
    vector = "NULL::bytea"
    lead = shape.reasons_in
    # Once each, where the space of the reasons is the one whose vectors are shown.
    for number in sorted(({0} if shape.has_vectors else set()) | ({lead} if shape.is_personal else set())):
        joins += f"""
LEFT JOIN item_vectors v{number} ON {in_space(shape, number, f"v{number}")} AND v{number}.item_id = p.item_id"""
    if shape.has_vectors:
        # Text comes first: what is alike to a reader.
        vector = f"halfvec_send(v0.target::halfvec({shape.spaces[0].dimension}))"
    if shape.is_personal:
        closeness = f"-(h.history <#> v{lead}.target::halfvec({shape.spaces[lead].dimension}))"
        counts = (
            f"h.weight * {closeness} > {MIN_PART} * greatest(p.collab, 0.0)"
            if shape.spaces[lead].kind == "collab"
            else f"{closeness} > {MIN_CLOSENESS}"
        )
        based_on = "reasons.based_on"
        joins += f"""
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('item_id', r.external_id, 'name', r.name, 'weight', round(r.pull::numeric, 4))
                     ORDER BY r.pull DESC, r.item_id) AS based_on
    FROM (
        SELECT h.item_id, h.external_id, h.name, h.weight * {closeness} AS pull
        FROM heaviest h
        WHERE {counts}
        ORDER BY pull DESC, h.item_id
        LIMIT {MAX_BASED_ON}
    ) AS r
) AS reasons ON :explain"""
    if shape.is_blended or not shape.is_personal:
        # Counted now, of those whose plays may be read, where it may be the reason: a reason says what the rows say.
        n_others, n_lately = "others.n_users::int", "others.n_lately::int"
        joins += f"""
LEFT JOIN LATERAL (
    SELECT count(*) AS n_users, count(*) FILTER (WHERE o.last_at > :recently) AS n_lately
    FROM (
        SELECT g.last_at
        FROM engagement g
        JOIN users u ON u.server_id = :server_id AND u.id = g.user_id AND NOT u.is_opted_out AND u.erased_at IS NULL
        WHERE g.server_id = :server_id AND g.item_id = p.item_id AND g.user_id <> :user_id AND g.is_seen AND NOT g.is_hidden
        LIMIT {MAX_COUNTED}
    ) AS o
) AS others ON NOT (p.is_near OR p.is_collab OR p.is_two_tower)"""
    return f"""
SELECT p.item_id, shown.external_id, i.kind, i.community_rating, i.runtime_seconds,
       -- As the version that this viewer may open calls it.
       CASE WHEN shown.is_usual THEN i.name ELSE shown.body->>'name' END AS name,
       CASE WHEN shown.is_usual THEN i.year ELSE (shown.body->>'year')::int END AS year,
       CASE WHEN shown.is_usual THEN i.genres ELSE ARRAY(SELECT jsonb_array_elements_text(shown.body->'genres')) END AS genres,
       shown.body->'images' AS images, jsonb_strip_nulls(shown.body->'provider_ids') AS provider_ids,
       i.added_at, p.similarity, p.nearest, p.own_score, p.score, p.facet, p.collab, p.two_tower,
       p.is_near, p.is_collab, p.is_two_tower, p.is_popular, p.is_titled,
       {vector} AS vector, {n_others} AS n_others, {n_lately} AS n_lately, {based_on} AS based_on
FROM page p
JOIN items i ON i.server_id = :server_id AND i.id = p.item_id
CROSS JOIN LATERAL (
    SELECT e.external_id, e.body, e.id = i.entry_id AS is_usual
    FROM entries e
    WHERE {open_entry("p.item_id", shape.is_restricted, in_library=IN_LIBRARY)}
    ORDER BY e.id = i.entry_id DESC, e.external_id LIMIT 1
) AS shown{joins}
ORDER BY p.rank"""
