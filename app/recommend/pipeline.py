"""One request: who asks, how fresh their taste is, what is found, in which order, why."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.db import Connection
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.searches import BLOCK
from app.recommend.context import Context, find_context
from app.recommend.effort import search_for
from app.recommend.explain import reason_for, source_of, sources_of
from app.recommend.select import Selection, select
from app.types import Candidate, Filters, Server, Slate, SlateItem


def recommend(
    connection: Connection, server: Server, user: str, filters: Filters, *,
    limit: int, offset: int, explain: bool, now: datetime, slate_id: UUID, selection: Selection | None = None,
) -> Slate:  # fmt: skip
    """Raises UnknownUser, UserDisabled and UnknownLibrary. Reads only."""
    context = find_context(connection, server, user, filters.library_id, now)
    return slate_for(
        connection, server, context, filters, limit=limit, offset=offset, explain=explain, now=now, slate_id=slate_id,
        selection=Selection.of(server) if selection is None else selection,
    )  # fmt: skip


def slate_for(
    connection: Connection, server: Server, context: Context, filters: Filters, *,
    limit: int, offset: int, explain: bool, now: datetime, slate_id: UUID, selection: Selection,
) -> Slate:  # fmt: skip
    """The slate of somebody who is known already."""
    asker = context.asker
    question = Question(
        asker, filters, search_for(asker, context.kinds), now, explain, selection.needs_vectors,
        context.kinds, context.given, context.evidence, len(context.labels),
    )  # fmt: skip
    candidates = _page(connection, server, question, selection, context.shares, offset, limit)
    search = question.search
    return Slate(
        id=slate_id,
        user_id=asker.viewer.user_id,
        source=source_of(search, candidates),
        degraded=("no_text_space",) if asker.space is None else (),
        space_ids=() if search == "popular" else tuple(space.id for space in question.spaces),
        items=[
            SlateItem(one, rank, one.score, sources_of(search, one), reason_for(one, context.label(one.facet), now) if explain else "")
            for rank, one in enumerate(candidates, start=offset + 1)
        ],
        next_offset=offset + limit if len(candidates) == limit else None,
    )


def _page(
    connection: Connection, server: Server, question: Question, selection: Selection, shares: Sequence[float], offset: int, limit: int
) -> list[Candidate]:  # fmt: skip
    """Whole blocks are found and put in order, each by itself, and the page is cut from them."""
    first, last = offset // BLOCK * BLOCK, -(-(offset + limit) // BLOCK) * BLOCK
    found = retrieve(connection, server, question, first=first, last=last)
    if question.search == "near" and first + len(found) < offset + limit:
        # The index's scan ended before enough eligible items were met.
        found = retrieve(connection, server, question.exactly(), first=first, last=last)
    blocks = [found[start : start + BLOCK] for start in range(0, len(found), BLOCK)]
    ordered = [one for block in blocks for one in select(block, selection, question.now, shares)]
    return ordered[offset - first : offset - first + limit]
