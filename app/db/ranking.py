"""Of what was found: how near each is to the tastes, its score, and the ranks that are wanted."""

from app.db.searches import BRANCHES, LEARNED, MAX_FACETS, POPULAR, TITLE, Shape, in_space, taste_in

# The nearest facet's part of a similarity; EXPERIMENTS, facets and prior.
FACET_WEIGHT = 0.2
# Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009), with the constant of the paper; a title counts twice,
# so that one of the first 62 titles that match stands before whatever only means the same.
RRF = 60
# The best of each facet are among the first BLOCK, so that there is something to balance (EXPERIMENTS, balance).
FACET_QUOTA = 10
BEST = "own_score DESC, place, popularity DESC, added_at DESC NULLS LAST, item_id"


def wanted(shape: Shape) -> str:
    """`wanted (space, facet, taste)`, by the space's number in the shape, facet 0 the whole; and
    `liked (item_ids, item_weights)`, the heaviest items of the space that reasons are made in."""
    if shape.is_given:
        given = "\n    UNION ALL\n    ".join(
            f"SELECT {number} AS space, (g.number - 1)::int AS facet, CAST(g.taste AS halfvec) AS taste\n"
            f"    FROM unnest(CAST(:tastes_{number} AS text[])) WITH ORDINALITY AS g (taste, number)\n"
            f"    WHERE g.number <= {MAX_FACETS + 1}"
            for number in range(len(shape.spaces))
        )
        return f"""
wanted AS MATERIALIZED (
    {given}
),
liked AS MATERIALIZED (
    SELECT CAST(:taste_item_ids AS bigint[]) AS item_ids, CAST(:taste_item_weights AS real[]) AS item_weights
)"""
    if shape.is_one_facet:
        return f"""
liked AS MATERIALIZED (
    SELECT t.item_ids, t.item_weights, t.taste FROM tastes t WHERE {_mine(0)} AND t.facet = :only_facet
),
wanted AS MATERIALIZED (
    SELECT 0 AS space, 0 AS facet, taste FROM liked
)"""
    stored = "\n    UNION ALL\n    ".join(
        f"""SELECT {number} AS space, t.facet::int AS facet, t.taste
    FROM tastes t
    WHERE {_mine(number)} AND t.facet <= {MAX_FACETS} AND t.taste IS NOT NULL
      AND t.computed_at = (SELECT w.computed_at FROM tastes w WHERE {_mine(number, "w")} AND w.facet = 0)"""
        for number in range(len(shape.spaces))
    )
    return f"""
liked AS MATERIALIZED (
    SELECT t.item_ids, t.item_weights FROM tastes t WHERE {_mine(shape.reasons_in)} AND t.facet = 0
),
wanted AS MATERIALIZED (
    {stored}
)"""


def ranked(shape: Shape, more: str = "") -> str:
    """`page`: the wanted ranks of what was found, by block, then by score. `more`: columns beside, of the items `i`, of `v0`, ..., their
    vectors in the n-th space, and of what goes before."""
    columns, joins = _measures(shape) if shape.is_personal else ("", "")
    text, collab, two_tower = shape.number("text"), shape.number("collab"), shape.number("two_tower")
    if not shape.is_personal or text is None:
        columns += ", NULL::float8 AS similarity, NULL::float8 AS nearest, NULL::int AS facet"
    for kind in LEARNED:
        if not shape.is_personal or shape.number(kind) is None:
            columns += f", NULL::float8 AS {kind}"
    return f"""
pooled AS (
    SELECT item_id, block, min(place) AS place,
           bool_or({_is_of(text)}) AS is_near, bool_or({_is_of(collab)}) AS is_collab, bool_or({_is_of(two_tower)}) AS is_two_tower,
           bool_or({_is_whole(text)}) AS is_near_whole, bool_or(branch = {POPULAR}) AS is_popular, bool_or(branch = {TITLE}) AS is_titled,
           {_fused(shape)} AS fused
    FROM {_first_found(shape)} AS f
    GROUP BY item_id, block
),
measured AS (
    SELECT f.*, i.prior, i.popularity, i.added_at{columns}{more}
    FROM pooled f
    JOIN items i ON i.server_id = :server_id AND i.id = f.item_id{joins}
),
-- So that no sort carries the vectors.
scored AS MATERIALIZED (
    SELECT *, ({_score(shape)})::float8 AS own_score FROM measured
),
windowed AS (
    SELECT *, {_window(shape)} AS window_number
    FROM {_ranked_in_facets(shape)} AS s
),
ranked AS (
    SELECT *, row_number() OVER best AS rank, min(own_score) OVER (best ROWS UNBOUNDED PRECEDING) AS score
    FROM windowed
    WINDOW best AS (ORDER BY window_number, {BEST})
),
page AS MATERIALIZED (
    SELECT * FROM ranked WHERE rank > :first AND rank <= :last
)"""


def _measures(shape: Shape) -> tuple[str, str]:
    """How near an item is in each space."""
    columns = joins = ""
    for number, space in enumerate(shape.spaces):
        target = f"v{number}.target::halfvec({space.dimension})"
        joins += f"\n    LEFT JOIN item_vectors v{number} ON {in_space(shape, number, f'v{number}')} AND v{number}.item_id = f.item_id"
        if space.kind != "text":
            columns += f", -({target} <#> {taste_in(shape, number)}) AS {space.kind}"
            continue
        columns += ", m.similarity, m.nearest, m.facet"
        joins += f"""
    CROSS JOIN LATERAL (
        SELECT max(s.similarity) FILTER (WHERE s.facet = 0) AS similarity,
               max(s.similarity) FILTER (WHERE s.facet > 0) AS nearest,
               (array_agg(s.facet ORDER BY s.similarity DESC) FILTER (WHERE s.facet > 0))[1] AS facet
        FROM (SELECT w.facet, -({target} <#> w.taste::halfvec({space.dimension})) AS similarity
              FROM wanted w WHERE w.space = {number}) AS s
    ) AS m"""
    return columns, joins


def _fused(shape: Shape) -> str:
    if "title" not in shape.search:
        return "NULL::float8"
    return f"sum(CASE WHEN branch = {TITLE} THEN 2.0 ELSE 1.0 END / ({RRF} + place))"


def _first_found(shape: Shape) -> str:
    """What a deeper page finds of an item once more changes nothing of it."""
    if shape.n_blocks == 1:
        return "found"
    return "(SELECT * FROM (SELECT *, min(block) OVER (PARTITION BY item_id) AS first_block FROM found) AS f WHERE block = first_block)"


def _is_of(number: int | None) -> str:
    return "false" if number is None else f"branch >= {number * BRANCHES} AND branch < {(number + 1) * BRANCHES}"


def _is_whole(number: int | None) -> str:
    return "false" if number is None else f"branch = {number * BRANCHES}"


def _mine(number: int, alias: str = "t") -> str:
    return f"{alias}.server_id = :server_id AND {alias}.user_id = :user_id AND {alias}.space_id = :space_id_{number}"


def _score(shape: Shape) -> str:
    if "title" in shape.search:
        return "fused"
    if shape.search == "popular":
        return "popularity"
    if not shape.is_personal:
        return "1.0 / place"
    parts = []
    if shape.number("text") is not None:
        parts.append(f"coalesce(similarity, -1) + {FACET_WEIGHT} * coalesce(nearest - similarity, 0) + :prior_weight * prior")
    parts += [f":{kind}_weight * coalesce({kind}, 0)" for kind in LEARNED if shape.number(kind) is not None]
    if shape.is_blended:
        parts.append(":household_weight * (popularity - prior)")
    return " + ".join(parts)


def _ranked_in_facets(shape: Shape) -> str:
    if not _has_quota(shape):
        return "scored"
    rank = f"CASE WHEN is_near AND facet IS NOT NULL THEN row_number() OVER (PARTITION BY block, is_near, facet ORDER BY {BEST}) END"
    return f"(SELECT *, {rank} AS rank_in_facet FROM scored)"


def _has_quota(shape: Shape) -> bool:
    """Only what was searched near is found enough of."""
    return any(space.kind == "text" and space.n_facets for space in shape.spaces)


def _window(shape: Shape) -> str:
    """Which block of ranks an item is in: those are put in order, each by itself, once the items are known."""
    order = BEST
    if "title" not in shape.search and (shape.is_personal or shape.search == "popular"):
        quota = f"coalesce(rank_in_facet <= {FACET_QUOTA}, false) DESC, " if _has_quota(shape) else ""
        order = f"block, {quota}{BEST}"
    return f"(row_number() OVER (ORDER BY {order}) - 1) / {shape.block}"
