"""Which slates go."""

from datetime import datetime, timedelta

import pytest

from app.db import Engine
from app.types import Server
from jobs import prune as pruning
from jobs.prune import prune
from tests.db.household import House, film, signal, user
from tests.db.shown import Shown


@pytest.fixture
def shown(engine: Engine, server: Server) -> Shown:
    house = House(engine, server.id)
    house.items(film("f"))
    house.users(user("ada"), user("bo"))
    return Shown(engine, server)


def test_what_is_too_old_goes_in_chunks_and_the_rest_stays(shown: Shown, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 2)
    times = [now - timedelta(days=days) for days in (90.1, 95, 100, 200, 89.9, 1)]
    for at in times:
        shown.show("ada", at, "f")
    assert prune(shown.engine, shown.server, 90, now) == 4
    assert shown.rows("slates", "served_at") == [(at,) for at in sorted(times[4:])]
    assert prune(shown.engine, shown.server, 90, now) == 0


def test_slates_of_who_opted_out_go(shown: Shown, now: datetime) -> None:
    for who in ("ada", "bo"):
        shown.show(who, now, "f")
    House(shown.engine, shown.server.id).users(user("ada", opted_out=True))
    assert prune(shown.engine, shown.server, 90, now) == 1
    assert len(shown.rows("slates", "user_id")) == 1


def test_another_servers_slates_stay(shown: Shown, make_server: object, now: datetime) -> None:
    shown.show("ada", now - timedelta(days=100), "f")
    assert prune(shown.engine, make_server(), 90, now) == 0
    assert len(shown.rows("slates", "user_id")) == 1


def test_old_signals_of_what_was_shown_go_and_what_a_person_said_stays(
    shown: Shown, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "AT_ONCE", 1)
    house = House(shown.engine, shown.server.id)
    for number in range(3):
        house.signals(*(signal("ada", "f", kind, signal_id=f"{kind} {number}") for kind in ("shown", "clicked", "watched")))
    before = house.state()["engagement"]
    assert prune(shown.engine, shown.server, 90, now) == 0
    assert prune(shown.engine, shown.server, 90, now + timedelta(days=91)) == 6
    assert {row["kind"] for row in house.state()["signals"]} == {"watched"}
    assert house.state()["engagement"] == before
