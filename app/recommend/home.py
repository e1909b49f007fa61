"""The home page: rows in one call, no item twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app.db import Connection
from app.db.items import find_items
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.searches import MAX_FACETS, Search
from app.db.tastes import heaviest_seen
from app.learn.second_stage import SecondStage
from app.recommend.context import Context, find_context
from app.recommend.effort import search_for
from app.recommend.explain import is_close, is_well_rated, reason_for, source_of, sources_of
from app.recommend.pipeline import slate_for
from app.recommend.rankers import Rankers
from app.recommend.select import Selection
from app.recommend.similar import neighbours
from app.types import Candidate, Degraded, Filters, Row, Server, Slate, SlateItem, Source

# A gem is well rated by those who know it, and few do.
GEM_RATING = 7.0
GEM_VOTES = 1_000


@dataclass(frozen=True)
class Home:
    """`degraded`: why rows are missing or less good than they should be, each word once, in order."""

    rows: list[Row]
    degraded: tuple[Degraded, ...]

    @property
    def is_settled(self) -> bool:
        return not self.degraded and all(row.slate.is_settled for row in self.rows)

    @property
    def counts_others(self) -> bool:
        return any(row.slate.counts_others for row in self.rows)


def home(
    connection: Connection, server: Server, user: str, limit: int, now: datetime, slate_id: UUID,
    rankers: Rankers[SecondStage] | None = None,
) -> Home:  # fmt: skip
    """Rows that have something in them, each of at most `limit` items. Raises UnknownUser and UserDisabled. Reads only."""
    page = _Page(connection, server, find_context(connection, server, user, None, now), limit, now, slate_id, rankers)
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
    return Home(page.rows, tuple(sorted(page.degraded)))


class _Page:
    """Grows row by row, and remembers what it has shown."""

    def __init__(
        self, connection: Connection, server: Server, context: Context, limit: int, now: datetime, slate_id: UUID,
        rankers: Rankers[SecondStage] | None,
    ) -> None:  # fmt: skip
        self.connection, self.server, self.context, self.limit, self.now = connection, server, context, limit, now
        self.slate_id, self.rankers = slate_id, rankers
        self.rows: list[Row] = []
        # What text says is behind rows that are not there, too.
        self.degraded: set[Degraded] = set() if context.asker.text_fault is None else {context.asker.text_fault}
        self._shown: list[int] = []

    def listed(self, row_id: str, title: str, search: Search, *, has_date: bool = False) -> None:
        question = Question(self.context.asker, self._filters(), search, self.now, explain=False)
        self._add(row_id, title, [one for one in self._ask(question) if one.added_at is not None or not has_date], question)

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
            items = [SlateItem(one, rank, one.score, ("text",), f"Like {item.name}") for rank, one in enumerate(near, start=1)]
            self._show("because-you-watched", title, self._slate("personal", items, (asker.space.id,)))

    def picks(self) -> None:
        slate = slate_for(
            self.connection, self.server, self.context, self._filters(), limit=self.limit, offset=0, explain=True, now=self.now,
            slate_id=self.slate_id, selection=Selection.of(self.server), rankers=self.rankers,
        )  # fmt: skip
        self._show("top-picks", "Top picks for you", slate)

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
            self._add(f"interest-{number}", label, self._ask(question), question)

    def gems(self) -> None:
        filters = replace(self._filters(), min_rating=GEM_RATING, max_votes=GEM_VOTES)
        question = self._personal(filters)
        self._add("hidden-gems", "Hidden gems", self._ask(question), question)

    def popular(self) -> None:
        question = Question(self.context.asker, self._filters(), "popular", self.now, explain=False)
        found = self._ask(question)
        title = "In your library"
        if any(one.n_others for one in found):
            title = "Popular in this household"
        elif any(is_well_rated(one) for one in found):
            title = "Well rated"
        self._add("popular", title, found, question)

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

    def _add(self, row_id: str, title: str, found: Sequence[Candidate], question: Question) -> None:
        search = question.search
        items = [
            SlateItem(one, rank, one.score, sources_of(search, one), self._reason(one, search)) for rank, one in enumerate(found, start=1)
        ]
        source = "new" if search == "newest" else source_of(search, found)
        self._show(row_id, title, self._slate(source, items, [space.id for space in question.spaces] if question.is_personal else ()))

    def _slate(self, source: Source, items: Sequence[SlateItem], space_ids: Sequence[int]) -> Slate:
        is_settled = not self.context.is_computed
        return Slate(self.slate_id, self.context.asker.viewer.user_id, source, (), space_ids, items, None, is_settled=is_settled)

    def _reason(self, one: Candidate, search: Search) -> str:
        if search == "in_progress":
            return "You began this"
        if search == "newest" and one.added_at is not None:
            return f"Added on {one.added_at:%d %B %Y}".replace(" 0", " ")
        return "You watched this" if search == "again" else reason_for(one, self.context.label(one.facet), self.now)

    def _show(self, row_id: str, title: str, slate: Slate) -> None:
        self.degraded.update(slate.degraded)
        if slate.items:
            self.rows.append(Row(row_id, title, slate))
            self._shown += [item.candidate.item_id for item in slate.items]
