"""What an answer took and what it lacks, counted for whichever door it goes out of."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.datastructures import State

from app.api.metrics import FALLBACKS, SEARCH_SECONDS, SHORT_LISTS
from app.api.repeats import Made
from app.db import Connection
from app.db.slates import ServedSlate
from app.recommend.home import Home, home
from app.types import Degraded, Server, Slate


def count_lacks(degraded: Sequence[Degraded], *, is_short: bool = False) -> None:
    for word in degraded:
        FALLBACKS.labels(word).inc()
    if is_short:
        SHORT_LISTS.inc()


def measured(make: Callable[[], Slate], limit: int) -> Slate:
    with SEARCH_SECONDS.labels("recommendations").time():
        slate = make()
    if slate.source != "personal":
        FALLBACKS.labels(slate.source).inc()
    count_lacks(slate.degraded, is_short=len(slate.items) < limit)
    return slate


def home_page(
    state: State, user_id: str, limit: int, content: Callable[[Home, uuid.UUID, datetime], Any]
) -> Callable[[Connection, Server, datetime], Made]:
    """What makes the home page of this user, measured and logged, as the `content` that a door shows of it. That a row is short says
    nothing: many are what is left."""

    def make(connection: Connection, server: Server, now: datetime) -> Made:
        slate_id = uuid.uuid4()
        with SEARCH_SECONDS.labels("home").time():
            page = home(connection, server, user_id, limit, now, slate_id, state.rankers)
        count_lacks(page.degraded)
        for row in page.rows:
            state.slate_log.add(ServedSlate(server.id, now, row.slate, row.id))
        return Made(content(page, slate_id, now), page.is_settled, page.counts_others)

    return make
