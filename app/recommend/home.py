"""The home page: rows in one call, no item twice."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.db import Connection
from app.db.items import find_items
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.searches import MAX_FACETS, Search
from app.db.tastes import heaviest_seen
from app.recommend.context import Context, find_context
from app.recommend.effort import search_for
from app.recommend.explain import is_close, is_well_rated, reason_for, sources_of
from app.recommend.pipeline import slate_for
from app.recommend.select import Selection
from app.recommend.similar import neighbours
from app.types import Candidate, Filters, Row, Server, SlateItem

# A gem is well rated by those who know it, and few do.
GEM_RATING = 7.0
GEM_VOTES = 1_000


def home(connection: Connection, server: Server, user: str, limit: int, now: datetime) -> list[Row]:
    """Rows that have something in them, each of at most `limit` items. Raises UnknownUser and UserDisabled. Reads only."""
    page = _Page(connection, server, find_context(connection, server, user, None, now), limit, now)
    page.listed("continue", "Continue watching", "in_progress")
    if page.context.is_known:
        page.because()
        page.picks()
        page.interests()
    page.listed("new", "Recently added", "newest", has_date=True)
    page.popular()
    if page.context.is_known:
        page.gems()
    page.listed("watch-again", "Watch again", "again")
    return page.rows


class _Page:
    """Grows row by row, and remembers what it has shown."""

    def __init__(self, connection: Connection, server: Server, context: Context, limit: int, now: datetime) -> None:
        self.connection, self.server, self.context, self.limit, self.now = connection, server, context, limit, now
        self.rows: list[Row] = []
        self._shown: list[int] = []

    def listed(self, row_id: str, title: str, search: Search, *, has_date: bool = False) -> None:
        found = self._ask(Question(self.context.asker, self._filters(), search, self.now, explain=False))
        self._add(row_id, title, [one for one in found if one.added_at is not None or not has_date], search)

    def because(self) -> None:
        """Neighbours of the title that weighs most and may still be named."""
        asker = self.context.asker
        given = self.context.given
        if asker.space is None or (given is not None and "text" not in given):
            return
        heaviest = given["text"].item_ids if given is not None else None
        ids = heaviest_seen(self.connection, self.server.id, asker.viewer.user_id, asker.space.id, heaviest)
        for item in [one for one in find_items(self.connection, self.server, asker, ids) if one.vector is not None][:1]:
            found = neighbours(self.connection, self.server, asker, item, self.limit, self.now, tuple(self._shown))
            title = f"Because you watched {item.name}"
            near = [one for one in found if is_close(one)]
            self._show("because-you-watched", title, [SlateItem(one, 0, one.score, ("text",), f"Like {item.name}") for one in near])

    def picks(self) -> None:
        slate = slate_for(
            self.connection, self.server, self.context, self._filters(), limit=self.limit, offset=0, explain=True, now=self.now,
            slate_id=uuid.uuid4(), selection=Selection.of(self.server),
        )  # fmt: skip
        self._show("top-picks", "Top picks for you", slate.items)

    def interests(self) -> None:
        """A row for each facet that has a name."""
        context = self.context
        titles: set[str] = set()
        for number, label in enumerate(context.labels[:MAX_FACETS], start=1):
            if label is None or label in titles:
                continue
            titles.add(label)
            question = replace(self._personal(self._filters()), kinds=("text",), n_facets=0)
            question = replace(question, search=search_for(context.asker, question.kinds))
            if context.given is not None:
                question = replace(question, given={"text": context.given["text"].facet(number)})
            else:
                question = replace(question, only_facet=number)
            self._add(f"interest-{number}", label, self._ask(question), question.search)

    def gems(self) -> None:
        filters = replace(self._filters(), min_rating=GEM_RATING, max_votes=GEM_VOTES)
        question = self._personal(filters)
        self._add("hidden-gems", "Hidden gems", self._ask(question), question.search)

    def popular(self) -> None:
        found = self._ask(Question(self.context.asker, self._filters(), "popular", self.now, explain=False))
        title = "In your library"
        if any(one.n_others for one in found):
            title = "Popular in this household"
        elif any(is_well_rated(one) for one in found):
            title = "Well rated"
        self._add("popular", title, found, "popular")

    def _personal(self, filters: Filters) -> Question:
        context = self.context
        search = search_for(context.asker, context.kinds)
        return Question(
            context.asker, filters, search, self.now, kinds=context.kinds, given=context.given, n_facets=len(context.labels)
        )  # fmt: skip

    def _filters(self) -> Filters:
        return Filters(exclude_item_ids=list(self._shown))

    def _ask(self, question: Question) -> list[Candidate]:
        found = retrieve(self.connection, self.server, question, first=0, last=self.limit)
        if question.search == "near" and len(found) < self.limit:
            found = retrieve(self.connection, self.server, question.exactly(), first=0, last=self.limit)
        return found

    def _add(self, row_id: str, title: str, found: Sequence[Candidate], search: Search) -> None:
        self._show(row_id, title, [SlateItem(one, 0, one.score, sources_of(search, one), self._reason(one, search)) for one in found])

    def _reason(self, one: Candidate, search: Search) -> str:
        if search == "in_progress":
            return "You began this"
        if search == "newest" and one.added_at is not None:
            return f"Added on {one.added_at:%d %B %Y}".replace(" 0", " ")
        return "You watched this" if search == "again" else reason_for(one, self.context.label(one.facet), self.now)

    def _show(self, row_id: str, title: str, items: Sequence[SlateItem]) -> None:
        if items:
            self.rows.append(Row(row_id, title, [replace(item, rank=rank) for rank, item in enumerate(items, start=1)]))
            self._shown += [item.candidate.item_id for item in items]
