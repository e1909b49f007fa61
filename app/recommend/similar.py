"""More like one title: its neighbours in the text space."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Connection
from app.db.asker import Asker, GivenTaste, find_nobody
from app.db.items import FoundItem, find_item
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.searches import Search
from app.errors import UnknownItem
from app.recommend.context import find_context
from app.recommend.effort import search_for
from app.recommend.explain import is_close, reason_for, sources_of
from app.types import Candidate, Degraded, Filters, Server, SlateItem, SpaceKind

# Likeness is what is asked for; quality only settles near ties.
PRIOR_WEIGHT = 0.1


@dataclass(frozen=True)
class Similar:
    """`degraded` says why likeness is known of few titles or none, where it is."""

    items: list[SlateItem]
    degraded: tuple[Degraded, ...]


def similar(connection: Connection, server: Server, user: str | None, entry: str, limit: int, now: datetime) -> Similar:
    """Without a user nothing is seen or closed. Raises UnknownItem where the user may not open it or hid it, UnknownUser, UserDisabled."""
    asker = find_nobody(connection, server.id) if user is None else find_context(connection, server, user, None, now).asker
    item = find_item(connection, server, asker, entry)
    if item is None:
        raise UnknownItem
    found = neighbours(connection, server, asker, item, limit, now)
    search: Search = "popular" if item.vector is None else "near"
    reason = f"Like {item.name}"
    items = [
        SlateItem(one, rank, one.score, sources_of(search, one), reason if is_close(one) else reason_for(one, None, now))
        for rank, one in enumerate(found, start=1)
    ]
    return Similar(items, () if asker.text_fault is None else (asker.text_fault,))


def neighbours(
    connection: Connection, server: Server, asker: Asker, item: FoundItem, limit: int, now: datetime, exclude: tuple[int, ...] = ()
) -> list[Candidate]:
    """The nearest first; what is popular where the item has no vector."""
    filters = Filters(exclude_item_ids=[item.item_id, *exclude])
    given: dict[SpaceKind, GivenTaste] | None = None if item.vector is None else {"text": GivenTaste([item.vector])}
    search = search_for(asker, () if given is None else ("text",))
    question = Question(asker, filters, search, now, explain=False, given=given, prior_weight=PRIOR_WEIGHT)
    found = retrieve(connection, server, question, first=0, last=limit)
    if search == "near" and len(found) < limit:
        found = retrieve(connection, server, question.exactly(), first=0, last=limit)
    return found
