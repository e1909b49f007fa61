"""What /metrics says of the state of things, so that alerts fire where something is wrong and nowhere else."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.api import metrics
from app.api.gauges import StoredGauges
from app.db import Engine
from app.db.looks import note_look
from app.db.servers import put_server
from app.job_types import JobName
from app.learn import events
from app.types import Server
from tests.db.household import play
from tests.jobs.town import Town

Read = Callable[..., float]


def read(engine: Engine, reading: metrics.Reading, schedule: dict[JobName, str] | None = None) -> float:
    StoredGauges(engine, schedule or {}).refresh()
    [found] = reading.collect()
    [sample] = found.samples
    return float(sample.value)


def make_home(engine: Engine, name: str, **settings: Any) -> Server:
    with engine.begin() as connection:
        return put_server(connection, name, name, "jellyfin", settings)[0]


def run_sql(engine: Engine, sql: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql), values)


def days(engine: Engine, **schedule: Any) -> float:
    return round(read(engine, metrics.UNLEARNED, **schedule) / 86400, 2)


def arrived(engine: Engine, home: Server, days_ago: float, who: str = "", what: str = "") -> None:
    """Its plays, or those of this person and this title, came then."""
    sql = """
        UPDATE plays p SET received_at = now() - CAST(:ago AS interval) FROM users u, entries e
        WHERE u.server_id = p.server_id AND u.id = p.user_id AND e.server_id = p.server_id AND e.id = p.entry_id
          AND p.server_id = :id AND :who IN ('', u.external_id) AND :what IN ('', e.external_id)
    """
    run_sql(engine, sql, ago=timedelta(days=days_ago), id=home.id, who=who, what=what)


def test_plays_that_are_not_learned_from_are_seen_whatever_door_they_came_through(alone: Engine, now: datetime) -> None:
    homes = [make_home(alone, name) for name in ("learns", "does not")]
    towns = [Town(alone, home, now - timedelta(days=9)) for home in homes]
    for town in towns:
        arrived(alone, town.server, 10)
        town.learn()
    assert days(alone) == 0
    for town in towns:
        town.watch("new", "f1", 1)
        arrived(alone, town.server, 5, who="new")
    run_sql(alone, "UPDATE plays SET source = 'live'")
    assert days(alone) == 5
    # The one that learns hides nothing of the one that does not.
    towns[0].now = now
    towns[0].learn()
    assert days(alone) == 5
    towns[1].now = now
    towns[1].learn()
    assert days(alone) == 0


def test_plays_that_nothing_is_to_be_learned_from_wait_for_nothing(alone: Engine, now: datetime) -> None:
    home = make_home(alone, "home")
    town = Town(alone, home, now - timedelta(days=9))
    arrived(alone, home, 10)
    town.learn()
    # Of a title that is not there, and of somebody who wants no part in it; and somebody watched something today.
    town.house.plays(play("u1", "unknown"))
    arrived(alone, home, 5, what="unknown")
    town.house.users({"user_id": "new", "name": "New", "opted_out": True})
    town.watch("new", "f1", 1)
    arrived(alone, home, 5, who="new")
    town.watch("u2", "f1", 1)
    assert days(alone) == 0


@pytest.mark.parametrize(("settings", "expected"), [({}, 5), ({"preset": "streamystats"}, 0), ({"schedule": {"learn-collab": "never"}}, 0)])
def test_a_server_that_never_learned_though_enough_was_watched_is_seen(
    alone: Engine, now: datetime, settings: dict[str, Any], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(alone, "home", **settings)
    Town(alone, home, now)
    arrived(alone, home, 5)
    assert days(alone) == 0
    monkeypatch.setattr("app.api.gauges.ENOUGH_AT_ONCE", 200)
    assert events.ENOUGH_AT_ONCE > 240
    assert days(alone) == expected
    assert days(alone, schedule={"learn-collab": "never"}) == 0


def test_workers_that_are_gone_and_looks_that_are_not_had_are_seen(alone: Engine) -> None:
    assert (read(alone, metrics.WORKERS), read(alone, metrics.LOOKED)) == (0, float("inf"))
    beat = "INSERT INTO procrastinate.procrastinate_workers (last_heartbeat) VALUES (now() - CAST(:ago AS interval))"
    for seconds in (0, 20, 40):
        run_sql(alone, beat, ago=timedelta(seconds=seconds))
    assert read(alone, metrics.WORKERS) == 2
    with alone.begin() as connection:
        note_look(connection, "clock")
        note_look(connection, "servers")
    assert 0 <= read(alone, metrics.LOOKED) < 60
    run_sql(alone, "UPDATE looks SET looked_at = now() - interval '1 hour' WHERE name = 'servers'")
    assert 3600 <= read(alone, metrics.LOOKED) < 3660


def test_a_label_that_is_no_more_is_taken_back() -> None:
    reading = metrics.MISSING_VECTORS
    reading.set_all({("text",): 2.0, ("collab",): 1.0})
    reading.set_all({("text",): 3.0})
    said = metrics.exposition().decode()
    assert 'palate_missing_vectors{kind="text"} 3.0' in said
    assert 'palate_missing_vectors{kind="collab"}' not in said
