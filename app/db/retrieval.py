"""The retrieval statement: one search, with everything excluded before its LIMIT, and its reasons.

Rendered from parts once per shape and cached. `python -m app.db.retrieval` prints it.

near     follows the HNSW index of a space with a partition of its own; anti-joins are nested loops, as only they keep its order
exact    reads every eligible item of the server, those without a vector last
popular  needs no taste
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, TextClause, text

from app.db.statements import statement
from app.types import BasedOn, Candidate, Filters, Server, SpaceInUse, StoredTaste, Viewer

Search = Literal["near", "exact", "popular"]

# Candidates come in blocks of this many, ranked within their block: page two never repeats page one.
BLOCK = 64
# What the prior may add to a similarity; EXPERIMENTS, prior.
PRIOR_WEIGHT = 0.3
MAX_BASED_ON = 3
# A title less like the item than this (cosine of centred vectors) is no reason for it, however much it weighs.
MIN_CLOSENESS = 0.15


# Rendered only where asked for: with `:kind IS NULL OR ...` for each, the generic plan expects 3 rows of 3,882
# and takes nested loops, 14 ms instead of 5 (EXPERIMENTS, search).
FILTERS = {
    "kind": "i.kind = :kind",
    "genres": "i.genre_keys && CAST(:genres AS text[])",
    "exclude_genres": "NOT i.genre_keys && CAST(:exclude_genres AS text[])",
    "year_from": "i.year >= :year_from",
    "year_to": "i.year <= :year_to",
    "max_runtime_seconds": "i.runtime_seconds <= :max_runtime_seconds",
    "exclude_ids": """i.id <> ALL (ARRAY(
          SELECT x.item_id FROM entries x
          WHERE x.server_id = :server_id AND x.external_id = ANY (CAST(:exclude_ids AS text[])) AND x.item_id IS NOT NULL))""",
}


@dataclass(frozen=True)
class Shape:
    """What makes one statement differ from another; values are bound."""

    search: Search
    shelf: int
    dimension: int
    is_restricted: bool
    n_candidates: int
    filters: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Asker:
    """Who asks, in which space, from what taste."""

    viewer: Viewer
    library_id: int | None
    space: SpaceInUse | None
    taste: StoredTaste | None


@dataclass(frozen=True)
class FreshTaste:
    """A taste computed for this request, used in place of the stored one. `vector` None: nothing positive is known."""

    vector: npt.NDArray[np.float32] | None
    item_ids: Sequence[int]
    item_weights: Sequence[float]


def find_asker(connection: Connection, server_id: int, user: str, library: str | None) -> Asker | None:
    values = {"server_id": server_id, "user": user, "library": library}
    row = connection.execute(statement("retrieval", "find_asker"), values).one_or_none()
    if row is None:
        return None
    viewer = Viewer(
        row.user_id, user, row.name, row.is_disabled, row.is_opted_out, row.engagement_version, row.has_all_libraries,
        list(row.library_ids), row.max_parental_age, list(row.blocked_tags), list(row.allowed_tags),
    )  # fmt: skip
    space = None if row.space_id is None else SpaceInUse(row.space_id, server_id, row.shelf, row.dimension)
    taste = None if row.taste_version is None else StoredTaste(row.taste_version, row.due_at, row.is_known, row.n_items)
    return Asker(viewer, row.wanted_library_id, space, taste)


def retrieve(
    connection: Connection, server: Server, asker: Asker, filters: Filters, search: Search, *,
    limit: int, offset: int, explain: bool, fresh: FreshTaste | None = None,
) -> list[Candidate]:  # fmt: skip
    """The page of candidates, best first. `near` may come back short where its scan ends; `exact` never does."""
    viewer, space = asker.viewer, asker.space
    n_blocks = -(-(offset + limit) // BLOCK)
    is_restricted = viewer.is_restricted or asker.library_id is not None
    shelf, dimension = (space.shelf, space.dimension) if space is not None else (0, 1)
    wanted = {name: value for name in FILTERS if (value := getattr(filters, name)) is not None}
    shape = Shape(search, shelf, dimension, is_restricted, n_blocks * BLOCK, frozenset(wanted))
    values = wanted | {
        "server_id": server.id,
        "user_id": viewer.user_id,
        "include_seen": filters.include_seen,
        "limit": limit,
        "offset": offset,
    }
    if is_restricted:
        values |= {
            "has_all_libraries": viewer.has_all_libraries, "library_ids": viewer.library_ids, "library_id": asker.library_id,
            "max_parental_age": viewer.max_parental_age, "blocked_tags": viewer.blocked_tags, "allowed_tags": viewer.allowed_tags,
            "shows_unrated": server.settings.get("unrated", "hide") == "show",
            "shows_without_library": server.settings.get("without_library", "hide") == "show",
        }  # fmt: skip
    if search != "popular":
        values |= {
            "space_id": space.id if space else 0,
            "explain": explain,
            "taste": None if fresh is None or fresh.vector is None else str(fresh.vector.tolist()),
            "taste_item_ids": None if fresh is None else list(fresh.item_ids),
            "taste_item_weights": None if fresh is None else list(fresh.item_weights),
        }
    return [_candidate(row) for row in connection.execute(render(shape), values)]


def _candidate(row: Row[Any]) -> Candidate:
    based_on = tuple(BasedOn(**reason) for reason in row.based_on or ())
    fields = dict(row._mapping) | {"based_on": based_on, "images": row.images or {}, "provider_ids": row.provider_ids or {}}
    return Candidate(**fields)


@functools.lru_cache(maxsize=512)
def render(shape: Shape) -> TextClause:
    return text(render_sql(shape).replace("::", "\\:\\:"))


def render_sql(shape: Shape) -> str:
    personal = shape.search != "popular"
    parts = [_wanted(shape)] if personal else []
    parts += [_search(shape), _page(shape)]
    if personal:
        parts.append(_heaviest(shape))
    return "WITH " + ",\n".join(parts) + "\n" + _dressed(shape)


def _wanted(shape: Shape) -> str:
    return f"""
wanted AS MATERIALIZED (
    SELECT coalesce(CAST(:taste AS halfvec({shape.dimension})), t.taste::halfvec({shape.dimension})) AS taste,
           coalesce(CAST(:taste_item_ids AS bigint[]), t.item_ids) AS item_ids,
           coalesce(CAST(:taste_item_weights AS real[]), t.item_weights) AS item_weights
    FROM (SELECT) AS always
    LEFT JOIN tastes t ON t.server_id = :server_id AND t.user_id = :user_id AND t.space_id = :space_id AND t.facet = 0
)"""


def _search(shape: Shape) -> str:
    in_space = f"v.shelf = {shape.shelf} AND v.server_id = :server_id AND v.space_id = :space_id AND v.item_id = i.id"
    distance = f"v.target::halfvec({shape.dimension}) <#> (SELECT taste FROM wanted)"
    by_popularity = "i.popularity DESC, i.added_at DESC NULLS LAST, i.id"
    if shape.search == "popular":
        return _found("found", shape, "NULL::float8", "items i", "true", by_popularity)
    if shape.search == "near":
        return _found("found", shape, f"-({distance})", "item_vectors v, items i", in_space, distance)
    # OFFSET 0 keeps the index out, and the vectors out of the join: hashing them took 130 ms of 100,000 rows, this 60.
    # Items without a vector fill up what is left, and are not looked for where nothing is.
    measured = f"(SELECT v.item_id, -({distance}) AS similarity FROM item_vectors v WHERE {in_space.rpartition(' AND ')[0]} OFFSET 0) AS v"
    placed = _found("placed", shape, "v.similarity", f"{measured}, items i", "v.item_id = i.id", "v.similarity DESC, i.id")
    is_short = f"(SELECT count(*) FROM placed) < {shape.n_candidates}"
    has_none = f"NOT EXISTS (SELECT FROM item_vectors v WHERE {in_space})"
    unplaced = _found("unplaced", shape, "NULL::float8", "items i", f"{is_short} AND {has_none}", by_popularity)
    return f"{placed},{unplaced},\nfound AS (SELECT * FROM placed UNION ALL SELECT * FROM unplaced)"


def _found(name: str, shape: Shape, similarity: str, source: str, condition: str, order: str) -> str:
    conditions = [condition for name, condition in FILTERS.items() if name in shape.filters]
    may_open = f"EXISTS (SELECT FROM entries e WHERE {_open_entry('i.id', shape)}"
    if shape.search == "near":
        # Hidden from the planner, which takes an array's overlap for 0.5% and leaves the index; and OFFSET 0 keeps
        # the look at a candidate's entries a look at that candidate's alone.
        conditions = [f"CASE WHEN {condition} THEN true ELSE false END" for condition in conditions]
        may_open += " OFFSET 0"
    if shape.is_restricted:
        conditions.append(f"{may_open})")
    filters = "".join(f"\n      AND {condition}" for condition in conditions)
    return f"""
{name} AS MATERIALIZED (
    SELECT i.id AS item_id, {similarity} AS similarity, i.prior, i.popularity, i.added_at
    FROM {source}
    WHERE {condition} AND i.server_id = :server_id AND i.is_available{filters}
      AND NOT EXISTS (
          SELECT FROM engagement g
          WHERE g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = i.id
            AND (g.is_hidden OR g.is_liked IS FALSE OR g.is_seen AND NOT :include_seen))
    ORDER BY {order}
    LIMIT {shape.n_candidates}
)"""


IN_LIBRARY = "AND (CAST(:library_id AS bigint) IS NULL OR e.library_id = :library_id)"


def _open_entry(item_id: str, shape: Shape, *, in_library: str = IN_LIBRARY) -> str:
    """`e` is an entry of the item that this viewer may open, and in the library that is asked for."""
    condition = f"e.server_id = :server_id AND e.item_id = {item_id} AND e.kind IN ('movie', 'series') AND e.deleted_at IS NULL"
    if not shape.is_restricted:
        return condition
    return f"""{condition}
          AND (:has_all_libraries OR e.library_id = ANY (CAST(:library_ids AS bigint[]))
               OR e.library_id IS NULL AND :shows_without_library)
          {in_library}
          AND (CAST(:max_parental_age AS int) IS NULL OR e.parental_age <= :max_parental_age
               OR e.parental_age IS NULL AND :shows_unrated)
          AND NOT e.access_tags && CAST(:blocked_tags AS text[])
          AND (cardinality(CAST(:allowed_tags AS text[])) = 0 OR e.access_tags && CAST(:allowed_tags AS text[]))"""


def _page(shape: Shape) -> str:
    score = "popularity" if shape.search == "popular" else f"coalesce(similarity, -1) + {PRIOR_WEIGHT} * prior"
    return f"""
ranked AS (
    SELECT *, {score} AS own_score,
           (row_number() OVER found_first - 1) / {BLOCK} AS block
    FROM found
    WINDOW found_first AS (ORDER BY similarity DESC NULLS LAST, popularity DESC, added_at DESC NULLS LAST, item_id)
),
page AS MATERIALIZED (
    SELECT item_id, similarity,
           row_number() OVER best AS rank,
           min(own_score) OVER (best ROWS UNBOUNDED PRECEDING) AS score
    FROM ranked
    WINDOW best AS (ORDER BY block, own_score DESC, popularity DESC, added_at DESC NULLS LAST, item_id)
    ORDER BY rank
    LIMIT :limit OFFSET :offset
)"""


def _heaviest(shape: Shape) -> str:
    return f"""
heaviest AS MATERIALIZED (
    SELECT h.item_id, h.weight, shown.external_id, i.name, coalesce(v.history, v.target)::halfvec({shape.dimension}) AS history
    FROM wanted w
    CROSS JOIN LATERAL unnest(w.item_ids, w.item_weights) AS h (item_id, weight)
    JOIN items i ON i.server_id = :server_id AND i.id = h.item_id
    JOIN item_vectors v ON v.shelf = {shape.shelf} AND v.server_id = :server_id AND v.space_id = :space_id AND v.item_id = h.item_id
    CROSS JOIN LATERAL (
        SELECT e.external_id FROM entries e WHERE {_open_entry("i.id", shape, in_library="")}
        ORDER BY e.id = i.entry_id DESC, e.external_id LIMIT 1
    ) AS shown
    WHERE :explain
)"""


def _dressed(shape: Shape) -> str:
    reasons, based_on = "", "NULL::jsonb"
    if shape.search != "popular":
        based_on = "reasons.based_on"
        reasons = f"""
LEFT JOIN item_vectors v ON v.shelf = {shape.shelf} AND v.server_id = :server_id AND v.space_id = :space_id AND v.item_id = p.item_id
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
    return f"""
SELECT p.item_id, shown.external_id, i.kind, i.name, i.year, i.genres, i.community_rating, i.runtime_seconds,
       shown.body->'images' AS images, jsonb_strip_nulls(shown.body->'provider_ids') AS provider_ids,
       i.n_users, i.added_at, p.similarity, p.score, {based_on} AS based_on
FROM page p
JOIN items i ON i.server_id = :server_id AND i.id = p.item_id
CROSS JOIN LATERAL (
    SELECT e.external_id, e.body FROM entries e WHERE {_open_entry("p.item_id", shape)}
    ORDER BY e.id = i.entry_id DESC, e.external_id LIMIT 1
) AS shown{reasons}
ORDER BY p.rank"""


if __name__ == "__main__":
    print(render_sql(Shape("near", 7, 384, True, BLOCK)))
