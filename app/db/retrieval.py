"""The retrieval statement: one search, ranked, and its reasons.

Rendered from parts once per shape and cached. `python -m app.db.retrieval` prints it.
"""

import functools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from app.db.access import access_values
from app.db.dressing import dressed, heaviest
from app.db.question import ENOUGH_EVIDENCE, Question
from app.db.ranking import ranked, wanted
from app.db.searches import BLOCK, FACETS_SEARCHED, FILTERS, LEARNED, InSpace, Shape, found
from app.types import BasedOn, Candidate, Server, SpaceInUse

# What the share of the household that watched an item adds to its score, and more where next to nothing is
# known of a taste (EXPERIMENTS, the household).
HOUSEHOLD_WEIGHT = 0.25
MORE_WITHOUT_EVIDENCE = 0.25
# What one standard deviation in a space learned from behaviour adds, where the space is fully to be trusted (EXPERIMENTS, fused).
LEARNED_WEIGHT = 0.2
# From this strength on reasons are made in it.
TRUSTED = 0.5
RECENT = timedelta(days=30)
LONG_AGO = timedelta(days=180)
GIVEN_UP = timedelta(days=7)


def retrieve(connection: Connection, server: Server, question: Question, *, first: int, last: int) -> list[Candidate]:
    """Ranks `first` up to `last` (from 0, exclusive), best first.

    `near` may come back short where its scan ends; `exact` never does.
    """
    shape = shape_of(server, question, last)
    return [candidate(row) for row in connection.execute(render(shape), values_of(server, question, shape, first, last)).all()]


def values_of(server: Server, question: Question, shape: Shape, first: int, last: int) -> dict[str, Any]:
    """What is bound where a statement of this shape is asked for these ranks."""
    asker, filters = question.asker, question.filters
    viewer = asker.viewer
    values = {name: value for name in FILTERS if (value := getattr(filters, name)) is not None}
    values |= {"server_id": server.id, "user_id": viewer.user_id, "first": first, "last": last}
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
    values |= {f"space_id_{number}": space.id for number, space in enumerate(_spaces(question))}
    if shape.is_personal:
        values |= _personal_values(question, shape)
    if shape.is_blended or not shape.is_personal:
        values["recently"] = question.now - RECENT
    return values | question.words


def _personal_values(question: Question, shape: Shape) -> dict[str, Any]:
    values: dict[str, Any] = {"explain": question.explain}
    for kind in LEARNED:
        if shape.number(kind) is not None:
            values[f"{kind}_weight"] = LEARNED_WEIGHT * question.asker.spaces[kind].strength
    if shape.number("text") is not None:
        values["prior_weight"] = question.prior_weight
    if shape.is_one_facet:
        values["only_facet"] = question.only_facet
    if question.given is not None:
        for number, space in enumerate(shape.spaces):
            values[f"tastes_{number}"] = [str(vector.tolist()) for vector in question.given[space.kind].vectors]
        leader = question.given[shape.spaces[shape.reasons_in].kind]
        values |= {"taste_item_ids": list(leader.item_ids), "taste_item_weights": list(leader.item_weights)}
    if shape.is_blended:
        assert question.evidence is not None
        lack = max(1 - question.evidence / ENOUGH_EVIDENCE, 0)
        values["household_weight"] = HOUSEHOLD_WEIGHT + MORE_WITHOUT_EVIDENCE * lack
    return values


def _spaces(question: Question) -> list[SpaceInUse]:
    """What is searched; and where nothing is, the text space for its vectors."""
    if question.is_personal:
        return question.spaces
    return [question.asker.space] if question.has_vectors and question.asker.space is not None else []


def shape_of(server: Server, question: Question, last: int, block: int = BLOCK) -> Shape:
    """Of the statement that finds ranks up to `last`."""
    asker, spaces = question.asker, _spaces(question)
    filters = frozenset(name for name in FILTERS if getattr(question.filters, name) is not None)
    is_personal = question.is_personal
    # A ranker is taught with lists that no facet had a branch in.
    n_facets = FACETS_SEARCHED - max(len(spaces) - 1, 0) if block == BLOCK else 0
    if question.search.startswith("exact"):
        # Each is a column of distances: no more than there are.
        n_facets = min(question.n_facets, n_facets)
    return Shape(
        question.search,
        tuple(InSpace(one.kind, one.shelf, one.dimension, n_facets if one.kind == "text" else 0) for one in spaces),
        is_restricted=asker.viewer.is_restricted or asker.library_id is not None,
        n_blocks=-(-last // block),
        filters=filters,
        is_given=is_personal and question.given is not None,
        is_one_facet=is_personal and question.only_facet is not None,
        is_blended=is_personal and question.evidence is not None,
        in_progress_is_open=server.settings.get("in_progress") == "open",
        watched_returns=server.settings.get("watched_returns_after_days") is not None,
        has_vectors=question.has_vectors and bool(spaces),
        reasons_in=_reasons_in(spaces),
        block=block,
    )


def _reasons_in(spaces: Sequence[SpaceInUse]) -> int:
    """What people watched says more than what is written, once it is enough to be trusted."""
    trusted = [number for number, space in enumerate(spaces) if space.kind == "collab" and space.strength >= TRUSTED]
    return trusted[0] if trusted else 0


def candidate(row: Row[Any]) -> Candidate:
    based_on = tuple(BasedOn(**reason) for reason in row.based_on or ())
    fields = dict(row._mapping) | {"based_on": based_on, "images": row.images or {}, "provider_ids": row.provider_ids or {}}
    return Candidate(**fields)


@functools.lru_cache(maxsize=512)
def render(shape: Shape) -> TextClause:
    return text(render_sql(shape).replace("::", "\\:\\:"))


def render_sql(shape: Shape) -> str:
    parts = [wanted(shape)] if shape.is_personal else []
    parts += [found(shape), ranked(shape)]
    if shape.is_personal:
        parts.append(heaviest(shape))
    return "WITH " + ",".join(parts) + "\n" + dressed(shape)


if __name__ == "__main__":
    print(render_sql(Shape("near", (InSpace("text", 7, 384, FACETS_SEARCHED - 1), InSpace("collab", 8, 256)), True)))
