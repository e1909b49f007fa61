"""The clock starts each job of each server once for each moment of its schedule."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.cron import PATTERN, USUAL, checked_cron, expression_of, last_tick, time_zones
from app.db.connections import put_connection
from app.db.jobs import Tick
from app.secrets import encrypted
from app.types import Server
from jobs.schedule import due_tick, start_due
from tests.jobs.conftest import MakeHome
from tests.jobs.working import Queue
from tests.planted import planted

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
# Nothing but this job.
ONLY_PRUNE: Mapping[Any, str] = dict.fromkeys(USUAL, "never") | {"prune": "10 * * * *"}


def hours_ago(hours: float, now: datetime = NOON) -> datetime:
    return now - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("expression", "zone", "until", "expected"),
    [
        ("30 2 * * *", "UTC", NOON, datetime(2026, 5, 1, 2, 30, tzinfo=UTC)),
        ("30 2 * * *", "Asia/Tokyo", NOON, datetime(2026, 4, 30, 17, 30, tzinfo=UTC)),
        ("*/20 * * * *", "UTC", NOON + timedelta(minutes=19), NOON),
        ("0 22-2 * * *", "UTC", NOON, datetime(2026, 5, 1, 2, tzinfo=UTC)),
        # The first of May 2026 is a Friday: 5, counted from Sunday as cron does.
        ("0 5 * * 5", "UTC", NOON, datetime(2026, 5, 1, 5, tzinfo=UTC)),
        ("0 5 * * fri-7", "UTC", NOON, datetime(2026, 5, 1, 5, tzinfo=UTC)),
        ("0 5 * * sun-thu", "UTC", NOON, datetime(2026, 4, 30, 5, tzinfo=UTC)),
        ("0 5 2,30 4 *", "UTC", NOON, datetime(2026, 4, 30, 5, tzinfo=UTC)),
        ("0 5 31 2 *", "UTC", NOON, None),
        ("never", "UTC", NOON, None),
    ],
)
def test_an_expression_means_what_cron_means(expression: str, zone: str, until: datetime, expected: datetime | None) -> None:
    assert checked_cron(expression) == expression
    assert last_tick(expression, zone, NOON - timedelta(days=2), until) == expected


def all_ticks(expression: str, zone: str, night: datetime) -> list[str]:
    """Those from noon to noon, by UTC, looked for every few minutes, as the worker does."""
    found: list[datetime] = []
    for minute in range(0, 24 * 60, 5):
        now = night - timedelta(hours=12) + timedelta(minutes=minute)
        tick = last_tick(expression, zone, found[-1] if found else night - timedelta(hours=12), now)
        found += [] if tick is None else [tick]
    return [tick.astimezone(UTC).strftime("%d %H:%M") for tick in found]


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("0 2 * * *", "Europe/Berlin", ["25 00:00"]),
        ("10 2 * * *", "Europe/Berlin", ["25 00:10"]),
        ("30 2 * * *", "Europe/Berlin", ["25 00:30"]),
        ("0 1-3 * * *", "Europe/Berlin", ["24 23:00", "25 00:00", "25 02:00"]),
        ("30 2 * * sun", "Europe/Berlin", ["25 00:30"]),
        ("30 3 * * *", "Europe/Berlin", ["25 02:30"]),
        ("45 0 * * *", "Atlantic/Azores", ["25 00:45"]),
    ],
)
def test_in_the_night_in_which_the_clock_is_set_back_what_names_its_hour_is_had_once(
    expression: str, zone: str, expected: list[str]
) -> None:
    assert all_ticks(expression, zone, datetime(2026, 10, 25, tzinfo=UTC)) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "night", "expected"),
    [
        ("0 2 * * *", "Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), ["29 01:00"]),
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), ["29 01:30"]),
        ("30 2,3 * * *", "Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), ["29 01:30"]),
        ("30 3 * * *", "Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC), ["29 01:30"]),
        # The day begins with the hour that is left out.
        ("30 0 * * *", "Africa/Cairo", datetime(2026, 4, 24, tzinfo=UTC), ["23 22:30"]),
        ("0 0 * * *", "America/Santiago", datetime(2026, 9, 6, tzinfo=UTC), ["06 04:00"]),
    ],
)
def test_in_the_night_in_which_the_clock_is_set_forward_what_was_due_in_the_lost_hour_is_had_once(
    expression: str, zone: str, night: datetime, expected: list[str]
) -> None:
    assert all_ticks(expression, zone, night) == expected


@pytest.mark.parametrize("night", [datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC)])
def test_what_comes_every_hour_comes_every_hour_in_both_nights(night: datetime) -> None:
    ticks = all_ticks("30 * * * *", "Europe/Berlin", night)
    assert [tick[-5:] for tick in ticks] == [f"{(12 + number) % 24:02}:30" for number in range(24)]


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "60 * * * *", "*/0 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "@daily", "a b c d e"]
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    assert re.search(PATTERN, expression) is None
    with pytest.raises(ValueError, match="30 3"):
        checked_cron(expression)


def test_every_job_of_the_night_is_in_order_and_every_zone_is_known() -> None:
    assert all(checked_cron(expression) for expression in USUAL.values())
    assert {"UTC", "Europe/Berlin", "America/New_York"} <= time_zones()


@pytest.mark.parametrize(
    ("last", "now", "is_due"),
    [
        # On time, whenever it was last.
        (hours_ago(24, datetime(2026, 5, 1, 2, 30, tzinfo=UTC)), datetime(2026, 5, 1, 2, 31, tzinfo=UTC), True),
        (hours_ago(2, datetime(2026, 5, 1, 2, 30, tzinfo=UTC)), datetime(2026, 5, 1, 3, 29, tzinfo=UTC), True),
        (datetime(2026, 5, 1, 2, 30, tzinfo=UTC), datetime(2026, 5, 1, 2, 31, tzinfo=UTC), False),
        # By day only where nights were missed: the machine was off.
        (hours_ago(29), NOON, False),
        (hours_ago(31), NOON, True),
        (hours_ago(24 * 30), NOON, True),
    ],
)
def test_when_a_tick_is_due(last: datetime, now: datetime, is_due: bool) -> None:
    found = due_tick(Tick(1, "prune", NOON - timedelta(days=400), last), "30 2 * * *", "UTC", now)
    assert found == (datetime(2026, 5, 1, 2, 30, tzinfo=UTC) if is_due else None)


def test_a_new_server_waits_for_its_first_night() -> None:
    assert due_tick(Tick(1, "prune", hours_ago(1), None), "30 2 * * *", "UTC", NOON) is None
    assert due_tick(Tick(1, "prune", hours_ago(31), None), "30 2 * * *", "UTC", NOON) is not None


def test_a_servers_own_schedule_goes_before_the_settings(server: Server) -> None:
    own = Server(1, "home", "Home", "api", {"schedule": {"prune": "1 1 * * *"}})
    schedule: Mapping[Any, str] = {"prune": "2 2 * * *", "skew": "3 3 * * *"}
    assert [expression_of(own.settings, name, schedule) for name in ("prune", "skew", "watch-through", "statistics")] == [
        "1 1 * * *", "3 3 * * *", USUAL["watch-through"], "never",
    ]  # fmt: skip


def test_what_another_version_stored_stops_no_other_server(queue: Queue, make_home: MakeHome) -> None:
    make_home("strange", schedule={"prune": "at night"}, time_zone="Nowhere/Else")
    make_home("home")
    created = queue.query("SELECT max(created_at) FROM servers")[0][0]
    start_due(queue.engine, ONLY_PRUNE, created + timedelta(hours=1))
    assert [job.server for job in queue.jobs()] == ["home"]


def test_many_schedulers_at_once_start_each_tick_once(queue: Queue, make_home: MakeHome) -> None:
    n_hours, servers = 10, [make_home("one"), make_home("two")]
    created = queue.query("SELECT max(created_at) FROM servers")[0][0]
    moments = [created + timedelta(hours=number, minutes=5) for number in range(1, n_hours + 1)]
    with ThreadPoolExecutor(2) as pool:
        for now in moments:
            started = list(pool.map(lambda moment: start_due(queue.engine, ONLY_PRUNE, moment), [now, now]))
            assert sum(started) == len(servers)
    ticks = [(job.server, job.tick) for job in queue.jobs()]
    assert len(ticks) == len(set(ticks)) == n_hours * len(servers)
    queue.drain()
    assert {(job.status, job.attempt) for job in queue.jobs()} == {("succeeded", 1)}


def test_a_clock_that_jumps_by_a_day_and_back_starts_no_tick_twice_and_loses_no_night(queue: Queue, make_home: MakeHome) -> None:
    make_home("home", time_zone="UTC")
    created = queue.query("SELECT max(created_at) FROM servers")[0][0]
    schedule: Mapping[Any, str] = dict.fromkeys(USUAL, "never") | {"prune": "0 3 * * *"}
    day = timedelta(days=1)
    first = (created + 2 * day).replace(hour=3, minute=10)

    def at(now: datetime) -> int:
        return start_due(queue.engine, schedule, now)

    assert [at(first), at(first + timedelta(minutes=1))] == [1, 0]
    # Ahead by a day, and set right after a while: tonight's is started all the same, the one that was had already is not.
    hour = timedelta(hours=1)
    moments = [first + 2 * day, first + hour, first + day, first + 2 * day, first + 3 * day]
    assert [at(moment) for moment in moments] == [1, 0, 1, 0, 1]
    # Behind by a day: nothing is had again.
    assert [at(first + 2 * day), at(first + 3 * day + 2 * hour), at(first + 4 * day)] == [0, 0, 1]
    ticks = [job.tick for job in queue.jobs()]
    assert len(ticks) == len(set(ticks)) == 5


@pytest.mark.soak
@pytest.mark.parametrize("number", range(20))
def test_whatever_the_clock_does_no_tick_is_had_twice_and_the_next_night_is_had(queue: Queue, make_home: MakeHome, number: int) -> None:
    random = Random(number)
    make_home("home", time_zone="UTC")
    created = queue.query("SELECT max(created_at) FROM servers")[0][0]
    schedule: Mapping[Any, str] = dict.fromkeys(USUAL, "never") | {"prune": "0 3 * * *"}
    true, ahead = created, timedelta()
    for _ in range(60):
        true += timedelta(hours=random.uniform(0.1, 6))
        if random.random() < 0.2:
            ahead += random.choice([timedelta(days=1), timedelta(days=-1)])
        start_due(queue.engine, schedule, true + ahead)
    ticks = [job.tick for job in queue.jobs()]
    assert len(ticks) == len(set(ticks))
    # Set right, and left alone for three nights.
    for hour in range(72):
        start_due(queue.engine, schedule, true + timedelta(days=20, hours=hour))
    assert len(queue.jobs()) >= len(ticks) + 3


def test_only_who_is_connected_is_synced_and_one_that_waits_is_enough(queue: Queue, make_home: MakeHome, now: datetime) -> None:
    home, _ = make_home("home"), make_home("other")
    with queue.engine.begin() as connection:
        put_connection(connection, home.id, "jellyfin", "http://127.0.0.1:9", encrypted(planted("token"), "another secret"), "m")
    queue.query("UPDATE servers SET created_at = now() - interval '1 day'")
    schedule: Mapping[Any, str] = dict.fromkeys(USUAL, "never") | {"sync-library": "*/15 * * * *"}
    assert start_due(queue.engine, schedule, now) == 1
    assert start_due(queue.engine, schedule, now + timedelta(minutes=15)) == 0
    queue.drain()
    [job] = queue.jobs()
    assert (job.name, job.server, job.status) == ("sync-library", "home", "failed")
    assert job.error is not None
    assert "PALATE_SECRET_KEY" in job.error
