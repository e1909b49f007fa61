"""What came of what was shown, by day, row, model, source and rank; `sql/watch_through.sql` says what counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from sqlalchemy import Connection

from app.db.statements import statement

By = Literal["source", "rank", "model", "row"]

# Begun within so many days, it counts: a slate is answered in the evening, and next weekend is soon enough.
WATCHED_WITHIN = timedelta(days=14)
# Answers of the last day still change until the window of its last minute is over.
UNSETTLED_DAYS = WATCHED_WITHIN.days + 1
DEEPEST_RANK = 100


@dataclass(frozen=True)
class CountState:
    """The last day that was counted, and the first of which a slate is kept; in UTC."""

    counted_on: date | None
    first_on: date | None


@dataclass(frozen=True)
class Share:
    """`key`: a source ("any" counts each item once), rank, model ("0": none) or row."""

    key: str
    n_shown: int
    n_watched: int


def count_state(connection: Connection, server_id: int) -> CountState:
    return CountState(**connection.execute(statement("watch_through", "count_state"), {"server_id": server_id}).one()._mapping)


def count_day(connection: Connection, server_id: int, day: date) -> int:
    """Count this day anew. Returns how many rows say so."""
    connection.execute(statement("watch_through", "forget_day"), {"server_id": server_id, "day": day})
    values = {
        "server_id": server_id, "day": day, "begins_at": _midnight(day), "ends_at": _midnight(day + timedelta(days=1)),
        "within": WATCHED_WITHIN, "deepest": DEEPEST_RANK,
    }  # fmt: skip
    return connection.execute(statement("watch_through", "count_day"), values).rowcount


def forget_before(connection: Connection, server_id: int, day: date) -> None:
    connection.execute(statement("watch_through", "forget_before"), {"server_id": server_id, "before": day})


def read_watch_through(connection: Connection, server_id: int, by: By, since: date) -> list[Share]:
    """By falling `n_shown`; ranks in their order."""
    rows = connection.execute(statement("watch_through", "read_watch_through"), {"server_id": server_id, "by": by, "since": since})
    return [Share(row.key, int(row.n_shown), int(row.n_watched)) for row in rows]


def watch_through_of_all(connection: Connection, since: date) -> Sequence[Share]:
    """By source, over all servers."""
    rows = connection.execute(statement("watch_through", "watch_through_of_all"), {"since": since})
    return [Share(row.source, int(row.n_shown), int(row.n_watched)) for row in rows]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
