"""One request: who asks, how fresh their taste is, what is found, in which order, why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import numpy.typing as npt

from app.db import Connection
from app.db.finding import Found, dress, find
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.searches import BLOCK, N_RANKED
from app.learn.second_stage import SecondStage
from app.recommend.context import Context, find_context
from app.recommend.effort import search_for
from app.recommend.explain import reason_for, source_of, sources_of
from app.recommend.rank import rank
from app.recommend.rankers import Rankers
from app.recommend.select import One, Selection, select
from app.types import Candidate, Degraded, Filters, Server, Slate, SlateItem


def recommend(
    connection: Connection, server: Server, user: str, filters: Filters, *,
    limit: int, offset: int, explain: bool, now: datetime, slate_id: UUID, selection: Selection | None = None,
    rankers: Rankers[SecondStage] | None = None,
) -> Slate:  # fmt: skip
    """Raises UnknownUser, UserDisabled and UnknownLibrary. Reads only."""
    context = find_context(connection, server, user, filters.library_id, now)
    return slate_for(
        connection, server, context, filters, limit=limit, offset=offset, explain=explain, now=now, slate_id=slate_id,
        selection=Selection.of(server) if selection is None else selection, rankers=rankers,
    )  # fmt: skip


def slate_for(
    connection: Connection, server: Server, context: Context, filters: Filters, *,
    limit: int, offset: int, explain: bool, now: datetime, slate_id: UUID, selection: Selection,
    rankers: Rankers[SecondStage] | None = None,
) -> Slate:  # fmt: skip
    """The slate of somebody who is known already."""
    asker = context.asker
    question = Question(
        asker, filters, search_for(asker, context.kinds), now, explain, selection.needs_vectors,
        context.kinds, context.given, context.evidence, len(context.labels),
    )  # fmt: skip
    is_rankable = question.is_personal and "collab" in context.kinds and asker.ranker_id is not None
    ranker = rankers.of(server.id, asker.ranker_id) if rankers is not None and is_rankable else None
    request = _Request(connection, server, question, selection, context, offset, limit)
    page = request.fused() if ranker is None else request.in_order_of(*ranker)
    search = question.search
    lacks_ranker = rankers is not None and is_rankable and ranker is None
    causes: tuple[Degraded | None, ...] = (asker.text_fault, "no_ranker" if lacks_ranker else None)
    degraded = tuple(cause for cause in causes if cause is not None)
    return Slate(
        id=slate_id,
        user_id=asker.viewer.user_id,
        source=source_of(search, page.candidates),
        degraded=degraded,
        space_ids=() if search == "popular" else tuple(space.id for space in question.spaces),
        items=[
            SlateItem(one, place, one.score, sources_of(search, one), reason_for(one, context.label(one.facet), now) if explain else "")
            for place, one in enumerate(page.candidates, start=offset + 1)
        ],
        next_offset=offset + limit if page.is_full else None,
        model_id=page.model_id,
        features=page.features,
        is_settled=not degraded and not context.is_computed and page.model_id in (None, asker.ranker_id),
    )


@dataclass(frozen=True)
class _Page:
    """`features` (n_candidates, n_features): as the ranker `model_id` saw them."""

    candidates: Sequence[Candidate]
    is_full: bool
    model_id: int | None = None
    features: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class _Request:
    """Whole blocks are found and put in order, each by itself, and the page is cut from them."""

    connection: Connection
    server: Server
    question: Question
    selection: Selection
    context: Context
    offset: int
    limit: int

    def fused(self) -> _Page:
        """By the sum of what each space says."""
        first, last = self._blocks(BLOCK)
        found = retrieve(self.connection, self.server, self.question, first=first, last=last)
        if self._is_short(first + len(found)):
            found = retrieve(self.connection, self.server, self.question.exactly(), first=first, last=last)
        ordered: list[Candidate] = []
        n_wanted = self.offset - first + self.limit
        for start in range(0, len(found), BLOCK):
            ordered += self._select(found[start : start + BLOCK], max(n_wanted - start, 0))
        candidates = ordered[self.offset - first : n_wanted]
        return _Page(candidates, len(candidates) == self.limit)

    def in_order_of(self, model_id: int, stage: SecondStage) -> _Page:
        """More is found, and less of it dressed."""
        first, last = self._blocks(N_RANKED)
        recent_ids, n_watched = self.context.recent
        found = find(self.connection, self.server, self.question, recent_ids, first=first, last=last)
        if self._is_short(first + len(found)):
            found = find(self.connection, self.server, self.question.exactly(), recent_ids, first=first, last=last)
        ordered: list[Found] = []
        features: dict[int, npt.NDArray[np.float32]] = {}
        n_wanted = self.offset - first + self.limit
        for start in range(0, len(found), N_RANKED):
            block, worth, seen = rank(stage, found[start : start + N_RANKED], recent_ids, n_watched, self.question.now)
            features |= dict(zip((one.item_id for one in block), seen, strict=True))
            ordered += self._select(block, max(n_wanted - start, 0), worth)
        chosen = ordered[self.offset - first : n_wanted]
        candidates = dress(self.connection, self.server, self.question, chosen) if chosen else []
        shown = np.array([features[one.item_id] for one in candidates], dtype=np.float32)
        return _Page(candidates, len(chosen) == self.limit, model_id, shown)

    def _blocks(self, size: int) -> tuple[int, int]:
        return self.offset // size * size, -(-(self.offset + self.limit) // size) * size

    def _is_short(self, n_found: int) -> bool:
        """The index's scan ended before enough eligible items were met."""
        return self.question.search == "near" and n_found < self.offset + self.limit

    def _select(self, block: Sequence[One], n: int, worth: Sequence[float] | None = None) -> list[One]:
        return select(block, self.selection, self.question.now, self.context.shares, n, worth)
