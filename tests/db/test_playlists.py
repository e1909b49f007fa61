"""The next episode of a series, by what is known of a user."""

from datetime import UTC, datetime

import pytest

from app.db import Engine
from app.db.erase import erase_user
from app.db.playlists import find_next_episodes, find_playlists, find_readers, intend_playlist
from app.types import Server
from tests.api.personal import id_of
from tests.db.household import House, day, episode, play, series, signal, user

SPECIAL = episode("special", "s", 1, season_number=0)
THREE = [SPECIAL, *(episode(f"e{number}", "s", number) for number in (1, 2, 3))]


@pytest.fixture
def house(engine: Engine, server: Server) -> House:
    house = House(engine, server.id)
    house.users(user("ada"), user("bo"))
    house.items(series("s"), *THREE)
    return house


def next_of(house: House, server: Server, name: str = "ada") -> str | None:
    with house.engine.begin() as connection:
        found = find_next_episodes(connection, server.id, id_of(connection, server, name), ["s", "unknown"])
    assert set(found) <= {"s"}
    return found.get("s")


def test_it_is_the_first_that_was_not_watched_and_specials_come_last(house: House, server: Server) -> None:
    for after, expected in (([], "e1"), (["e1"], "e2"), (["e3"], "e2"), (["e2"], "special"), (["special"], "e1")):
        house.plays(*(play("ada", one, started_at=day(1), completed=True) for one in after))
        assert next_of(house, server) == expected
    assert next_of(house, server, "bo") == "e1"


def test_what_was_broken_off_is_still_to_be_watched(house: House, server: Server) -> None:
    house.items(*(one | {"runtime_seconds": 1000} for one in THREE))
    for item, told, expected in (
        ("e1", {"percent": 40}, "e1"),
        ("e1", {"percent": 95}, "e2"),
        ("e2", {"completed": False}, "e2"),
        ("e2", {"played_seconds": 950}, "e3"),
        ("e3", {}, "special"),
    ):
        house.plays(play("ada", item, started_at=day(1), **told))
        assert next_of(house, server) == expected, told


def test_what_was_taken_back_is_to_be_watched_again(house: House, server: Server) -> None:
    house.plays(play("ada", "e1", started_at=day(1), completed=True), play("ada", "e2", completed=True))
    assert next_of(house, server) == "e3"
    house.signals(signal("ada", "e1", "unwatched", at=day(2)))
    assert next_of(house, server) == "e1"
    house.signals(signal("ada", "e1", "watched", at=day(3)))
    assert next_of(house, server) == "e3"
    house.signals(signal("ada", "s", "unwatched", at=day(4)))
    assert next_of(house, server) == "e1"
    house.signals(signal("ada", "s", "watched", at=day(5)))
    assert next_of(house, server) == "e1", "of all that was watched, the first"


def test_another_version_of_an_episode_counts(house: House, server: Server) -> None:
    ids = {"provider_ids": {"tvdb": "1"}}
    house.items(series("s", **ids), series("s in 4k", "Series s", **ids), episode("4k", "s in 4k", 1))
    house.plays(play("ada", "4k", started_at=day(1), completed=True))
    assert next_of(house, server) == "e2"


def test_a_series_without_episodes_has_none(house: House, server: Server) -> None:
    house.items(series("empty"))
    with house.engine.begin() as connection:
        assert find_next_episodes(connection, server.id, id_of(connection, server, "ada"), ["empty"]) == {}
        assert find_next_episodes(connection, server.id, id_of(connection, server, "ada"), []) == {}


def test_of_somebody_who_is_erased_or_opted_out_nothing_is_published(house: House, server: Server) -> None:
    house.users(user("bo", opted_out=True))
    with house.engine.begin() as connection:
        ada = id_of(connection, server, "ada")
        assert [one.user for one in find_readers(connection, server.id)] == ["ada"]
        assert intend_playlist(connection, server.id, ada, "For you", [], [])
        erase_user(connection, server.id, "ada", datetime.now(UTC))
        assert not intend_playlist(connection, server.id, ada, "For you", [], [])
        assert find_readers(connection, server.id) == find_playlists(connection, server.id) == []
