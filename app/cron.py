"""When jobs start by themselves: cron expressions, in the time zone of a server."""

import functools
import re
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from apscheduler.triggers.cron import CronTrigger

from app.job_types import JobName

NEVER = "never"
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


@functools.cache
def time_zones() -> frozenset[str]:
    return frozenset((resources.files("tzdata") / "zones").read_text(encoding="utf-8").split())


def last_tick(expression: str, time_zone: str | None, after: datetime, until: datetime) -> datetime | None:
    """The latest moment of an expression of PATTERN after the one and not after the other; of `time_zone`, None: the machine's."""
    if expression == NEVER:
        return None
    trigger, found = _trigger(expression, time_zone), None
    tick = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    while tick is not None and tick <= until:
        found = tick
        tick = trigger.get_next_fire_time(tick, tick)
    return found


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
