"""The retrieval statement: one search, ranked, and its reasons.

Rendered from parts once per shape and cached. `python -m app.db.retrieval` prints it.
"""

import functools
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from app.db.access import IN_LIBRARY, access_values, open_entry
from app.db.question import ENOUGH_EVIDENCE, Question
from app.db.searches import BLOCK, FILTERS, MAX_FACETS, POPULAR, TITLE, Shape, found
from app.types import BasedOn, Candidate, Server

# The nearest facet's part of a similarity; EXPERIMENTS, facets and prior.
FACET_WEIGHT = 0.2
# What the share of the household that watched an item adds to its score, and more where next to nothing is
# known of a taste (EXPERIMENTS, the household).
HOUSEHOLD_WEIGHT = 0.25
MORE_WITHOUT_EVIDENCE = 0.25
MAX_BASED_ON = 3
# A title less like the item than this (cosine of centred vectors) is no reason for it, however much it weighs.
MIN_CLOSENESS = 0.15
# Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009), with the constant of the paper; a title counts twice,
# so that one of the first 62 titles that match stands before whatever only means the same.
RRF = 60
# The best of each facet are among the first BLOCK, so that there is something to balance (EXPERIMENTS, balance).
FACET_QUOTA = 10
BEST = "own_score DESC, place, popularity DESC, added_at DESC NULLS LAST, item_id"
RECENT = timedelta(days=30)
LONG_AGO = timedelta(days=180)
GIVEN_UP = timedelta(days=7)
# Nobody reads "watched by 2,341": counting ends here.
MAX_COUNTED = 50


def retrieve(connection: Connection, server: Server, question: Question, *, first: int, last: int) -> list[Candidate]:
    """Ranks `first` up to `last` (from 0, exclusive), best first.

    `near` may come back short where its scan ends; `exact` never does.
    """
    asker, filters = question.asker, question.filters
    viewer, space = asker.viewer, asker.space
    wanted = {name: value for name in FILTERS if (value := getattr(filters, name)) is not None}
    shape = _shape(server, question, frozenset(wanted), -(-last // BLOCK) * BLOCK)
    values = wanted | {"server_id": server.id, "user_id": viewer.user_id, "first": first, "last": last}
    if shape.is_restricted:
        values |= access_values(server, viewer) | {"library_id": asker.library_id}
    match shape.search:
        case "in_progress":
            values |= {"left_since": question.now - LONG_AGO, "given_up_since": question.now - GIVEN_UP}
        case "again":
            values["long_ago"] = question.now - LONG_AGO
        case _:
            values["include_seen"] = filters.include_seen
            if shape.watched_returns:
                values["watched_since"] = question.now - timedelta(days=server.settings["watched_returns_after_days"])
    if space is not None and (shape.is_personal or shape.has_vectors):
        values["space_id"] = space.id
    if shape.is_personal:
        values |= {"explain": question.explain, "prior_weight": question.prior_weight}
        if shape.is_one_facet:
            values["only_facet"] = question.only_facet
        if question.given is not None:
            given = question.given
            values |= {
                "tastes": [str(vector.tolist()) for vector in given.vectors],
                "taste_item_ids": list(given.item_ids), "taste_item_weights": list(given.item_weights),
            }  # fmt: skip
        if shape.is_blended:
            assert question.evidence is not None
            lack = max(1 - question.evidence / ENOUGH_EVIDENCE, 0)
            values["household_weight"] = HOUSEHOLD_WEIGHT + MORE_WITHOUT_EVIDENCE * lack
    if shape.is_blended or not shape.is_personal:
        values["recently"] = question.now - RECENT
    return [_candidate(row) for row in connection.execute(render(shape), values | question.words)]


def _shape(server: Server, question: Question, filters: frozenset[str], n_candidates: int) -> Shape:
    asker, space = question.asker, question.asker.space
    is_personal = question.search.startswith(("near", "exact"))
    return Shape(
        question.search,
        shelf=space.shelf if space is not None else 0,
        dimension=space.dimension if space is not None else 1,
        is_restricted=asker.viewer.is_restricted or asker.library_id is not None,
        n_candidates=n_candidates,
        filters=filters,
        is_given=is_personal and question.given is not None,
        is_one_facet=is_personal and question.only_facet is not None,
        n_facets=min(question.n_facets, MAX_FACETS) if question.search.startswith("exact") else 0,
        is_blended=is_personal and question.evidence is not None,
        in_progress_is_open=server.settings.get("in_progress") == "open",
        watched_returns=server.settings.get("watched_returns_after_days") is not None,
        has_vectors=question.has_vectors and space is not None,
    )


def _candidate(row: Row[Any]) -> Candidate:
    based_on = tuple(BasedOn(**reason) for reason in row.based_on or ())
    fields = dict(row._mapping) | {"based_on": based_on, "images": row.images or {}, "provider_ids": row.provider_ids or {}}
    return Candidate(**fields)


@functools.lru_cache(maxsize=512)
def render(shape: Shape) -> TextClause:
    return text(render_sql(shape).replace("::", "\\:\\:"))


def render_sql(shape: Shape) -> str:
    parts = [_wanted(shape)] if shape.is_personal else []
    parts += [found(shape), _ranked(shape)]
    if shape.is_personal:
        parts.append(_heaviest(shape))
    return "WITH " + ",".join(parts) + "\n" + _dressed(shape)


def _wanted(shape: Shape) -> str:
    """`wanted (facet, taste)`, facet 0 the whole; and `liked (item_ids, item_weights)`, the heaviest items."""
    if shape.is_given:
        return f"""
wanted AS MATERIALIZED (
    SELECT (g.number - 1)::int AS facet, CAST(g.taste AS halfvec({shape.dimension})) AS taste
    FROM unnest(CAST(:tastes AS text[])) WITH ORDINALITY AS g (taste, number)
    WHERE g.number <= {MAX_FACETS + 1}
),
liked AS MATERIALIZED (
    SELECT CAST(:taste_item_ids AS bigint[]) AS item_ids, CAST(:taste_item_weights AS real[]) AS item_weights
)"""
    mine = "t.server_id = :server_id AND t.user_id = :user_id AND t.space_id = :space_id"
    if shape.is_one_facet:
        return f"""
liked AS MATERIALIZED (
    SELECT t.item_ids, t.item_weights, t.taste::halfvec({shape.dimension}) AS taste FROM tastes t WHERE {mine} AND t.facet = :only_facet
),
wanted AS MATERIALIZED (
    SELECT 0 AS facet, taste FROM liked
)"""
    return f"""
liked AS MATERIALIZED (
    SELECT t.item_ids, t.item_weights, t.computed_at FROM tastes t WHERE {mine} AND t.facet = 0
),
wanted AS MATERIALIZED (
    SELECT t.facet, t.taste::halfvec({shape.dimension}) AS taste
    FROM tastes t
    WHERE {mine} AND t.facet <= {MAX_FACETS} AND t.taste IS NOT NULL AND t.computed_at = (SELECT computed_at FROM liked)
)"""


def _ranked(shape: Shape) -> str:
    """`page`: the wanted ranks of what was found, by block, then by score."""
    similarity, measured = "NULL::float8 AS similarity, NULL::float8 AS nearest, NULL::int AS facet", ""
    if shape.is_personal:
        similarity = "m.similarity, m.nearest, m.facet"
        measured = f"""
    LEFT JOIN item_vectors v ON v.shelf = {shape.shelf} AND v.server_id = :server_id AND v.space_id = :space_id AND v.item_id = f.item_id
    CROSS JOIN LATERAL (
        SELECT max(s.similarity) FILTER (WHERE s.facet = 0) AS similarity,
               max(s.similarity) FILTER (WHERE s.facet > 0) AS nearest,
               (array_agg(s.facet ORDER BY s.similarity DESC) FILTER (WHERE s.facet > 0))[1] AS facet
        FROM (SELECT w.facet, -(v.target::halfvec({shape.dimension}) <#> w.taste) AS similarity FROM wanted w) AS s
    ) AS m"""
    # Places of two lists are fused whole: only what is paged comes in blocks.
    block = "0" if "title" in shape.search else f"(place - 1) / {BLOCK}"
    return f"""
pooled AS (
    SELECT item_id, block, min(place) AS place,
           bool_or(branch >= 0) AS is_near, bool_or(branch = {POPULAR}) AS is_popular, bool_or(branch = {TITLE}) AS is_titled,
           sum(CASE WHEN branch = {TITLE} THEN 2.0 ELSE 1.0 END / ({RRF} + place)) AS fused
    FROM (SELECT *, min({block}) OVER (PARTITION BY item_id) AS block FROM found) AS f
    -- What a deeper page finds of an item once more changes nothing of it.
    WHERE {block} = block
    GROUP BY item_id, block
),
measured AS (
    SELECT f.*, i.prior, i.popularity, i.added_at, {similarity}
    FROM pooled f
    JOIN items i ON i.server_id = :server_id AND i.id = f.item_id{measured}
),
scored AS (
    SELECT *, ({_score(shape)})::float8 AS own_score FROM measured
),
windowed AS (
    SELECT *, {_window(shape)} AS window_number
    FROM (SELECT *, {_rank_in_facet()} AS rank_in_facet FROM scored) AS s
),
ranked AS (
    SELECT *, row_number() OVER best AS rank, min(own_score) OVER (best ROWS UNBOUNDED PRECEDING) AS score
    FROM windowed
    WINDOW best AS (ORDER BY window_number, {BEST})
),
page AS MATERIALIZED (
    SELECT * FROM ranked WHERE rank > :first AND rank <= :last
)"""


def _score(shape: Shape) -> str:
    if "title" in shape.search:
        return "fused"
    if shape.search == "popular":
        return "popularity"
    if not shape.is_personal:
        return "1.0 / place"
    household = " + :household_weight * (popularity - prior)" if shape.is_blended else ""
    whole = "coalesce(similarity, -1)"
    return f"{whole} + {FACET_WEIGHT} * coalesce(nearest - similarity, 0) + :prior_weight * prior{household}"


def _rank_in_facet() -> str:
    return f"CASE WHEN is_near AND facet IS NOT NULL THEN row_number() OVER (PARTITION BY block, is_near, facet ORDER BY {BEST}) END"


def _window(shape: Shape) -> str:
    """Which BLOCK of ranks an item is in: those are put in order, each by itself, once the items are known."""
    if "title" in shape.search or (not shape.is_personal and shape.search != "popular"):
        return f"(row_number() OVER (ORDER BY {BEST}) - 1) / {BLOCK}"
    return f"(row_number() OVER (ORDER BY block, coalesce(rank_in_facet <= {FACET_QUOTA}, false) DESC, {BEST}) - 1) / {BLOCK}"


def _heaviest(shape: Shape) -> str:
    """What reasons are made of: watched, and open to the viewer now."""
    return f"""
heaviest AS MATERIALIZED (
    SELECT h.item_id, h.weight, shown.external_id, shown.name, coalesce(v.history, v.target)::halfvec({shape.dimension}) AS history
    FROM liked l
    CROSS JOIN LATERAL unnest(l.item_ids, l.item_weights) AS h (item_id, weight)
    JOIN engagement g ON g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = h.item_id AND g.is_seen AND NOT g.is_hidden
    JOIN items i ON i.server_id = :server_id AND i.id = h.item_id
    JOIN item_vectors v ON v.shelf = {shape.shelf} AND v.server_id = :server_id AND v.space_id = :space_id AND v.item_id = h.item_id
    CROSS JOIN LATERAL (
        SELECT e.external_id, CASE WHEN e.id = i.entry_id THEN i.name ELSE e.body->>'name' END AS name
        FROM entries e WHERE {open_entry("i.id", shape.is_restricted)}
        ORDER BY e.id = i.entry_id DESC, e.external_id LIMIT 1
    ) AS shown
    WHERE :explain
)"""


def _dressed(shape: Shape) -> str:
    based_on, n_others, n_lately, joins = "NULL::jsonb", "NULL::int", "NULL::int", ""
    vector = "NULL::bytea"
    if shape.is_personal or shape.has_vectors:
        joins += f"""
LEFT JOIN item_vectors v ON v.shelf = {shape.shelf} AND v.server_id = :server_id AND v.space_id = :space_id AND v.item_id = p.item_id"""
    if shape.has_vectors:
        vector = f"halfvec_send(v.target::halfvec({shape.dimension}))"
    if shape.is_personal:
        based_on = "reasons.based_on"
        joins += f"""
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('item_id', r.external_id, 'name', r.name, 'weight', round(r.pull::numeric, 4))
                     ORDER BY r.pull DESC, r.item_id) AS based_on
    FROM (
        SELECT h.item_id, h.external_id, h.name, h.weight * -(h.history <#> v.target::halfvec({shape.dimension})) AS pull
        FROM heaviest h
        WHERE -(h.history <#> v.target::halfvec({shape.dimension})) > {MIN_CLOSENESS}
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
) AS others ON NOT p.is_near"""
    return f"""
SELECT p.item_id, shown.external_id, i.kind, i.community_rating, i.runtime_seconds,
       -- As the version that this viewer may open calls it.
       CASE WHEN shown.is_usual THEN i.name ELSE shown.body->>'name' END AS name,
       CASE WHEN shown.is_usual THEN i.year ELSE (shown.body->>'year')::int END AS year,
       CASE WHEN shown.is_usual THEN i.genres ELSE ARRAY(SELECT jsonb_array_elements_text(shown.body->'genres')) END AS genres,
       shown.body->'images' AS images, jsonb_strip_nulls(shown.body->'provider_ids') AS provider_ids,
       i.added_at, p.similarity, p.nearest, p.own_score, p.score, p.facet, p.is_near, p.is_popular, p.is_titled,
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


if __name__ == "__main__":
    print(render_sql(Shape("near", 7, 384, True, BLOCK)))
