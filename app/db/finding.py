"""Where a ranker is live, retrieval is two statements: `find` brings more candidates with all that the ranker looks at, `dress` what the
few that it chose are shown with."""

import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, TextClause, text

from app.db.dressing import dressed, heaviest
from app.db.engine import BINARY
from app.db.question import Question
from app.db.ranking import ranked, wanted
from app.db.retrieval import candidate, shape_of, values_of
from app.db.searches import N_RANKED, Shape, found, in_space, taste_in
from app.learn.features import N_NEAR, N_NEAR_TEXT
from app.types import Candidate, Server, SpaceKind

# Of the answers before this one, so many of the newest say what was shown already.
N_SLATES = 60


class Found(NamedTuple):
    """A row of `find`, in the order of its columns: a candidate before it is dressed. A tuple, as hundreds are made for each answer.

    As `Candidate`, and what only the ranker looks at: `*_long`, nearness to the taste's second vector; `near_*`, to the k-th latest title.
    """

    item_id: int
    name: str
    genres: list[str]
    added_at: datetime | None
    similarity: float | None
    nearest: float | None
    own_score: float
    score: float
    facet: int | None
    collab: float | None
    is_near: bool
    is_near_whole: bool
    is_collab: bool
    two_tower: float | None
    is_two_tower: bool
    is_popular: bool
    is_titled: bool
    vector: bytes | None
    collab_long: float | None
    two_tower_long: float | None
    near_collab: list[float | None]
    near_two_tower: list[float | None]
    near_text: list[float | None]
    times_shown: int


def find(connection: Connection, server: Server, question: Question, recent_ids: Sequence[int], *, first: int, last: int) -> list[Found]:
    """Ranks `first` up to `last` (from 0, exclusive) before a ranker sees them, whole lists of N_RANKED; short as `retrieve` is."""
    shape = shape_of(server, question, last, N_RANKED)
    values = values_of(server, question, shape, first, last) | {"recent_ids": list(recent_ids[:N_NEAR])}
    return [Found._make(row) for row in connection.execute(_render_find(shape), values).all()]


def dress(connection: Connection, server: Server, question: Question, chosen: Sequence[Found]) -> list[Candidate]:
    """The same in their order, with what they are shown with; without those that are no longer there."""
    question = replace(question, has_vectors=False)
    # One statement for all searches: nothing is searched any more.
    shape = replace(shape_of(server, question, 1), search="near", filters=frozenset())
    rows = [{name: getattr(one, name) for name in COLUMNS} | {"rank": rank} for rank, one in enumerate(chosen)]
    values = values_of(server, question, shape, 0, len(rows)) | {"chosen": json.dumps(rows)}
    return [candidate(row) for row in connection.execute(_render_dress(shape), values).all()]


# Of what was found, with its type: what `dressed` reads of a page.
COLUMNS = {
    "item_id": "bigint", "similarity": "float8", "nearest": "float8", "own_score": "float8", "score": "float8", "facet": "int",
    "collab": "float8", "two_tower": "float8",
    "is_near": "bool", "is_collab": "bool", "is_two_tower": "bool", "is_popular": "bool", "is_titled": "bool",
}  # fmt: skip


@functools.lru_cache(maxsize=512)
def _render_find(shape: Shape) -> TextClause:
    return text(render_find_sql(shape).replace("::", "\\:\\:")).execution_options(**BINARY)


@functools.lru_cache(maxsize=512)
def _render_dress(shape: Shape) -> TextClause:
    return text(render_dress_sql(shape).replace("::", "\\:\\:"))


def render_find_sql(shape: Shape) -> str:
    return "WITH " + ",".join([wanted(shape), found(shape), _recent(shape), ranked(shape, _seen(shape)), SHOWN]) + "\n" + FOUND


def render_dress_sql(shape: Shape) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    page = f"""
page AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:chosen AS jsonb)) AS c (rank int, {columns})
)"""
    return "WITH " + ",".join([wanted(shape), page, heaviest(shape)]) + "\n" + dressed(shape)


SHOWN = f"""
shown AS MATERIALIZED (
    SELECT u.item_id, count(*)::int AS n
    FROM (
        SELECT s.item_ids FROM slates s
        WHERE s.server_id = :server_id AND s.user_id = :user_id
        ORDER BY s.served_at DESC LIMIT {N_SLATES}
    ) AS s
    CROSS JOIN LATERAL unnest(s.item_ids) AS u (item_id)
    GROUP BY u.item_id
)"""


def _recent(shape: Shape) -> str:
    columns, joins = "", ""
    for number, space in enumerate(shape.spaces):
        columns += f", coalesce(r{number}.history, r{number}.target)::halfvec({space.dimension}) AS history_{number}"
        joins += f"\n    LEFT JOIN item_vectors r{number} ON {in_space(shape, number, f'r{number}')} AND r{number}.item_id = l.item_id"
    return f"""
recent AS MATERIALIZED (
    SELECT l.number{columns}
    FROM unnest(CAST(:recent_ids AS bigint[])) WITH ORDINALITY AS l (item_id, number){joins}
)"""


def _seen(shape: Shape) -> str:
    """What a ranker and a selection look at: read where an item's rows are at hand, as to look each up once more takes longer than to carry
    it through a sort."""
    number = shape.number("text")
    is_shown = shape.has_vectors and number is not None
    vector = f"halfvec_send(v{number}.target::halfvec({shape.spaces[number or 0].dimension}))" if is_shown else "NULL::bytea"
    return f""",
           i.name, i.genres, {vector} AS vector,
           {_long_term(shape, "collab")} AS collab_long, {_long_term(shape, "two_tower")} AS two_tower_long,
           {_nearness(shape, "collab", N_NEAR)} AS near_collab, {_nearness(shape, "two_tower", N_NEAR)} AS near_two_tower,
           {_nearness(shape, "text", N_NEAR_TEXT)} AS near_text"""


FOUND = f"""
SELECT {", ".join(f"p.{name}" for name in Found._fields if name != "times_shown")}, coalesce(s.n, 0) AS times_shown
FROM page p
LEFT JOIN shown s ON s.item_id = p.item_id
ORDER BY p.rank"""


def _long_term(shape: Shape, kind: SpaceKind) -> str:
    number = shape.number(kind)
    if number is None:
        return "NULL::float8"
    return f"-(v{number}.target::halfvec({shape.spaces[number].dimension}) <#> {taste_in(shape, number, 1)})"


def _nearness(shape: Shape, kind: SpaceKind, n: int) -> str:
    number = shape.number(kind)
    if number is None:
        return f"array_fill(NULL::float4, ARRAY[{n}])"
    target = f"v{number}.target::halfvec({shape.spaces[number].dimension})"
    each = (f"-({target} <#> (SELECT history_{number} FROM recent WHERE number = {place}))" for place in range(1, n + 1))
    return f"ARRAY[{', '.join(each)}]::float4[]"
