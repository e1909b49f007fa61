"""watch-through: counts what came of what was shown, for the days whose outcome can still change."""

from datetime import UTC, date, datetime, timedelta

from app.db import Engine
from app.db.locks import only_one
from app.db.watch_through import UNSETTLED_DAYS, CountState, count_day, count_state, forget_before
from app.types import Progress, Server

# Counts outlive the slates they were made of: a year, and the month it is compared with.
KEPT_DAYS = 400


def count_watch_through(engine: Engine, server: Server, kept_days: int, now: datetime, progress: Progress) -> int:
    """Returns the number of days counted. `kept_days`: slates older than this may be gone, and what was counted of them stands.

    A day at a time, each in a transaction: counted again it is the same. Raises AlreadyRunning.
    """
    today = now.astimezone(UTC).date()
    with only_one(engine, f"watch-through {server.id}"):
        with engine.begin() as connection:
            days = days_to_count(count_state(connection, server.id), today, kept_days)
            forget_before(connection, server.id, today - timedelta(days=KEPT_DAYS))
        for done, day in enumerate(days, start=1):
            with engine.begin() as connection:
                count_day(connection, server.id, day)
            progress(done, len(days))
    return len(days)


def days_to_count(state: CountState, today: date, kept_days: int) -> list[date]:
    """From the first that was not settled when it was last counted, or the first there is, to today."""
    first = state.first_on or today
    if state.counted_on is not None:
        first = min(state.counted_on, today) - timedelta(days=UNSETTLED_DAYS)
    first = max(first, today - timedelta(days=kept_days - 1))
    return [first + timedelta(days=number) for number in range((today - first).days + 1)]
