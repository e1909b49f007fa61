"""The check of the answers can fail: what is changed in the database behind the oracle's back is reported."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine
from tests.db.household import Body, film, play, signal, user
from tests.leaks.ask import Ask
from tests.leaks.check import faults
from tests.leaks.invent import NO_LIMITS
from tests.leaks.world import World, make_worlds

PLANTED = "entry-9999"
SEED, N_TITLES = 1_000, 20


def planted(library: str = "north") -> Body:
    facts = dict.fromkeys(("year", "runtime_seconds", "community_rating", "vote_count"))
    return film(PLANTED, "Planted zq0x9999", library_id=library, genres=["Drama"], tags=[], added_at="2026-01-01T10:00:00Z", **facts)


@pytest.fixture(scope="module")
def zoes_world(engine: Engine, client: TestClient) -> World:
    """Zoe may go nowhere but to the north."""
    world, _ = make_worlds(engine, client, SEED, datetime.now(UTC), N_TITLES)
    world.tell("users", user("zoe", **NO_LIMITS | {"library_ids": ["north"]}))
    return world


@pytest.fixture
def world(zoes_world: World) -> Iterator[World]:
    """With a film in the north, of which Zoe alone will say anything; it leaves no trace."""
    world = zoes_world
    world.tell("items", planted())
    yield world
    values = {"server_id": world.house.server_id, "entry": PLANTED}
    with world.engine.begin() as connection:
        entry_id, item_id = connection.execute(text(f"SELECT id, item_id FROM entries {HERE} AND external_id = :entry"), values).one()
        for table, column in (
            ("plays", "entry_id"),
            ("signals", "entry_id"),
            ("engagement", "item_id"),
            ("entries", "id"),
            ("items", "id"),
        ):
            wanted = item_id if column == "item_id" or table == "items" else entry_id
            connection.execute(text(f"DELETE FROM {table} {HERE} AND {column} = :wanted"), values | {"wanted": wanted})
    world.told.items.pop(PLANTED)
    world.told.deleted.discard(PLANTED)
    world.told.plays = [one for one in world.told.plays if one["item_id"] != PLANTED]
    world.told.signals = [one for one in world.told.signals if one["item_id"] != PLANTED]
    world.forget()


def nothing(world: World) -> None:
    pass


def hide(world: World) -> None:
    world.tell("signals", signal("zoe", PLANTED, "hide"))


def dislike(world: World) -> None:
    world.tell("signals", signal("zoe", PLANTED, "dislike"))


def watch(world: World) -> None:
    world.tell("plays", play("zoe", PLANTED, completed=True))


def move_away(world: World) -> None:
    world.tell("items", planted("east"))


def delete(world: World) -> None:
    world.delete([PLANTED])


HERE = "WHERE server_id = :server_id"
OF_ZOE = f"UPDATE engagement SET {{}} {HERE} AND item_id = :item_id"
ITEM = f"UPDATE items SET {{}} {HERE} AND id = :item_id"
ENTRY = f"UPDATE entries SET {{}} {HERE} AND item_id = :item_id"
NORTH = f"(SELECT id FROM libraries {HERE} AND external_id = 'north')"
FOREIGN = "'Of another server zq1x0001'"
BODY = f"body = body || jsonb_build_object('name', {FOREIGN})"
NAMED = "names Planted zq0x9999"

# What is told, what is then done to the database, which endpoint is asked, and what is reported.
SABOTAGES: list[tuple[Callable[[World], None], str, Any, str]] = [
    (hide, OF_ZOE.format("is_hidden = false"), "recommendations", NAMED),
    (hide, OF_ZOE.format("is_hidden = false"), "home", NAMED),
    (hide, OF_ZOE.format("is_hidden = false"), "search", NAMED),
    (hide, OF_ZOE.format("is_hidden = false"), "similar", "status 200"),
    (hide, OF_ZOE.format("is_hidden = false"), "hidden", "0 items, not 1"),
    (dislike, OF_ZOE.format("is_liked = true"), "recommendations", NAMED),
    (watch, OF_ZOE.format("is_seen = false"), "recommendations", NAMED),
    (watch, OF_ZOE.format("is_hidden = true"), "hidden", NAMED),
    (move_away, ENTRY.format(f"library_id = {NORTH}"), "recommendations", NAMED),
    (delete, f"WITH back AS ({ITEM.format('is_available = true')}) {ENTRY.format('deleted_at = NULL')}", "home", NAMED),
    (nothing, ENTRY.format(f"library_id = {NORTH} + 1000"), "recommendations", "items, not"),
    (nothing, ITEM.format("is_available = false"), "search", "was not found by its name"),
    (nothing, f"WITH item AS ({ITEM.format(f'name = {FOREIGN}')}) {ENTRY.format(BODY)}", "recommendations", "zq1x0001, of another server"),
    (nothing, ITEM.format("genres = ARRAY['like zq1x0001']"), "home", "zq1x0001 is somewhere in the answer"),
]


@pytest.mark.parametrize(("tell", "sql", "endpoint", "reported"), SABOTAGES)
def test_what_the_oracle_was_not_told_is_reported(
    world: World, tell: Callable[[World], None], sql: str, endpoint: Any, reported: str
) -> None:
    tell(world)
    parameters = {"user_id": "zoe"} | {"recommendations": {"limit": 100}, "home": {"limit": 50}, "search": {"q": "zq0x9999"}}.get(
        endpoint, {}
    )
    ask = Ask(endpoint, "zoe", parameters, {"similar": PLANTED, "search": "zq0x9999"}.get(endpoint, ""))
    assert faults(world, ask) == []
    with world.engine.begin() as connection:
        values = {"server_id": world.house.server_id, "entry": PLANTED}
        found = connection.execute(text(f"SELECT item_id FROM entries {HERE} AND external_id = :entry"), values)
        assert connection.execute(text(sql), values | {"item_id": found.scalar_one()}).rowcount == 1
    assert reported in "\n".join(faults(world, ask))


def test_a_limit_that_the_oracle_still_knows_is_missed(world: World) -> None:
    ask = Ask("recommendations", "zoe", {"user_id": "zoe", "limit": 100})
    values = {"server_id": world.house.server_id}
    assert faults(world, ask) == []
    for has_all, is_faulty in ((True, True), (False, False)):
        with world.engine.begin() as connection:
            sql = f"UPDATE users SET has_all_libraries = :has_all {HERE} AND external_id = 'zoe'"
            connection.execute(text(sql), values | {"has_all": has_all})
        assert any(fault.startswith("item_id has the id") for fault in faults(world, ask)) is is_faulty
