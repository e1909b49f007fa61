"""When jobs start by themselves: cron expressions, in the time zone of a server."""

import functools
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from apscheduler.triggers.cron import CronTrigger

from app.job_types import JobName

NEVER = "never"
# At the most, anywhere.
CLOCK_IS_SET_BY = timedelta(hours=2)
# What comes out of slates is counted before old ones go, titles have vectors before they are learned from, and what compares the old night
# with the new comes last. Learning brings the two towers and the ranker after it.
USUAL: dict[JobName, str] = {
    "watch-through": "0 2 * * *",
    "prune": "10 2 * * *",
    "embed-items": "20 2 * * *",
    "learn-collab": "30 2 * * *",
    "refresh-tastes": "30 3 * * *",
    "skew": "0 4 * * *",
    "evaluate": "0 5 * * sun",
    "sync-library": "*/15 * * * *",
}

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Minute, hour, day of the month, month, day of the week: a number's pattern, the least, how many there are, and the largest step.
FIELDS = (
    (r"[0-5]?[0-9]", 0, 60, r"(?:[1-5]?[1-9]|[1-5]0)"),
    (r"(?:[01]?[0-9]|2[0-3])", 0, 24, r"(?:1?[1-9]|10|2[0-3])"),
    (r"(?:0?[1-9]|[12][0-9]|3[01])", 1, 31, r"(?:[12]?[1-9]|[123]0)"),
    (r"(?:0?[1-9]|1[0-2])", 1, 12, r"(?:[1-9]|1[01])"),
    (rf"(?:[0-7]|{'|'.join(DAYS)})", 0, 7, r"[1-6]"),
)


def _field_pattern(number: str, step: str) -> str:
    return rf"(?:\*(?:/{step})?|{number}(?:-{number})?(?:,{number}(?:-{number})?)*)"


# Of what it lets through all is an expression; ranges, lists and steps as cron has them, a day of the month and one of the week together.
PATTERN = rf"^(?:{NEVER}|{' '.join(_field_pattern(number, step) for number, _, _, step in FIELDS)})$"


def checked_cron(expression: str) -> str:
    """Raises ValueError with what it should be."""
    if re.fullmatch(PATTERN, expression) is None:
        raise ValueError(f"should be minute, hour, day of the month, month and day of the week, such as '30 3 * * *', or {NEVER}")
    return expression


def expression_of(settings: Mapping[str, Any], name: JobName, schedule: Mapping[JobName, str]) -> str:
    """`settings`: the server's; `schedule`: where it differs from USUAL on every server."""
    own = settings.get("schedule", {}).get(name)
    return str(own or schedule.get(name) or USUAL.get(name, NEVER))


@functools.cache
def time_zones() -> frozenset[str]:
    return frozenset((resources.files("tzdata") / "zones").read_text(encoding="utf-8").split())


def last_tick(expression: str, time_zone: str | None, after: datetime, until: datetime) -> datetime | None:
    """The latest moment of an expression of PATTERN after the one and not after the other; of `time_zone`, None: the machine's."""
    if expression == NEVER:
        return None
    # Within one zone Python compares and adds by what the clock shows, to which the two hours of one name are the same.
    after, until = after.astimezone(UTC), until.astimezone(UTC)
    ticks = _each_hour if expression.split(" ")[1] == "*" else _by_the_clock_face
    return max((tick for tick in ticks(expression, time_zone, after, until) if after < tick <= until), default=None)


def _each_hour(expression: str, time_zone: str | None, after: datetime, until: datetime) -> Iterator[datetime]:
    """An hour that the clock shows twice is two hours, and one that it leaves out is none."""
    return _ticks(_trigger(expression, time_zone), after, until)


def _by_the_clock_face(expression: str, time_zone: str | None, after: datetime, until: datetime) -> Iterator[datetime]:
    """Once for each time that the clock shows or should have shown. When it is set back, that is the first of the two hours; when it is set
    forward, as much later. APScheduler gives two moments and, where a day begins with the hour that is left out (Cairo, Santiago), none."""
    zone = _trigger(expression, time_zone).timezone
    begin, end = (moment.astimezone(zone).replace(tzinfo=UTC) for moment in (after, until))
    for shown in _ticks(_trigger(expression, "UTC"), begin - CLOCK_IS_SET_BY, end + CLOCK_IS_SET_BY):
        yield shown.replace(tzinfo=zone).astimezone(UTC)


def _ticks(trigger: Any, after: datetime, until: datetime) -> Iterator[datetime]:
    tick = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    while tick is not None and tick <= until:
        yield tick.astimezone(UTC)
        tick = trigger.get_next_fire_time(tick, tick)


@functools.lru_cache(maxsize=1024)
def _trigger(expression: str, time_zone: str | None) -> Any:
    fields = [_spelled_out(field, least, n) for field, (_, least, n, _) in zip(expression.split(" "), FIELDS, strict=True)]
    return CronTrigger(minute=fields[0], hour=fields[1], day=fields[2], month=fields[3], day_of_week=fields[4], timezone=time_zone)


def _spelled_out(field: str, least: int, n: int) -> str:
    """Each number by itself: a range may go over the end, as 22-2 does. Days of the week get their names, as APScheduler counts them from
    Monday."""
    if field.startswith("*"):
        return field
    found: set[int] = set()
    for part in field.split(","):
        first, _, last = part.partition("-")
        begin, end = (_number(word) for word in (first, last or first))
        found |= {least + (number - least) % n for number in range(begin, end + (n if end < begin else 0) + 1)}
    return ",".join(DAYS[number] if n == len(DAYS) else str(number) for number in sorted(found))


def _number(word: str) -> int:
    return DAYS.index(word) if word in DAYS else int(word)
