"""How often something was watched: whatever it is called by now, whoever else tells of it, and whether it goes on."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import text

from app.connect.jellyfin_webhook import read_webhook
from app.connect.live import take
from app.db import Engine
from app.db.ingest import ingest_plays
from app.ingest_types import PlayRow
from app.types import Server
from tests.connect.fake_jellyfin.answers import ticks
from tests.connect.fake_jellyfin.library import generated, guid
from tests.connect.fake_jellyfin.server import FakeJellyfin
from tests.connect.payloads import jellyfin as told
from tests.connect.payloads import saved
from tests.jobs.sync.conftest import EPISODE, EVENING, FILM, House, Sync
from tests.jobs.sync.rows import everything, rows

IDENTITY = {FILM: "movie:tmdb:1000", EPISODE: "series:tvdb:5000"}


@pytest.fixture
def house_of_12(
    make_jellyfin: Callable[..., FakeJellyfin], connected: Callable[[FakeJellyfin], Server], sync: Sync, engine: Engine
) -> House:
    fake = make_jellyfin(generated(12, 2, 3, 2, 0), 12)
    return House(fake, connected(fake), sync, engine)


def n_plays(house: House, item: str = FILM) -> int:
    return int(house.engagement(IDENTITY[item]).n_plays)


def bring(house: House, *days: int) -> None:
    """An import's rows, of the film: so many days before."""
    brought = [PlayRow(guid(f"row {one}"), house.ada, FILM, EVENING - timedelta(days=one), None, 5300, None, True, None) for one in days]
    with house.engine.begin() as connection:
        ingest_plays(connection, house.server.id, "jellystat import", brought)


@pytest.mark.parametrize(("item", "is_timed"), list(product((FILM, EPISODE), (True, False))))
def test_a_file_that_was_renamed_and_a_server_that_was_restarted_make_no_second_watching(house: House, item: str, is_timed: bool) -> None:
    house.say(item, is_played=True, n_plays=3, played_at=EVENING if is_timed else None)
    house.sync()
    house.library.restart()
    house.next_day()
    assert n_plays(house, item) == 3
    renewed = house.library.renew_id(item, house.fake.now())
    house.next_day()
    house.say(renewed, is_favourite=True)
    house.next_day()
    assert (n_plays(house, item), house.engagement(IDENTITY[item]).is_finished or item == EPISODE) == (3, True)
    house.library.watch(house.ada, renewed, house.fake.now())
    house.sync()
    assert n_plays(house, item) == 4


def test_plays_that_an_older_release_named_otherwise_are_the_same_after_the_next_night(house: House) -> None:
    house.say(FILM, is_played=True, n_plays=3, played_at=EVENING)
    house.say(guid("Movie 1"), is_played=True, n_plays=1)
    house.sync()
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE plays SET source_key = gen_random_uuid() WHERE server_id = :id"), {"id": house.server.id})
    seen = rows(house.engine, house.server, "engagement")
    house.next_day()
    assert rows(house.engine, house.server, "engagement") == seen
    stood = everything(house.engine, house.server)
    house.next_day()
    assert everything(house.engine, house.server) == stood


def test_two_versions_of_a_film_that_share_what_was_done_are_watched_as_often_as_one(house: House) -> None:
    house.library.add(house.library.items[FILM].__class__(guid("4k"), "Movie", "Movie 0", guid("films"), {"Tmdb": "1000"}))
    for version in (FILM, guid("4k")):
        house.say(version, is_played=True, n_plays=3, played_at=EVENING)
    house.sync()
    assert n_plays(house) == 3


@pytest.mark.parametrize("comes_first", [True, False], ids=["the import first", "the sync first"])
def test_what_an_import_tells_with_its_times_was_counted_by_the_server(house: House, comes_first: bool) -> None:
    house.say(FILM, is_played=True, n_plays=3, played_at=EVENING)
    if comes_first:
        bring(house, 0, 1, 2)
    house.sync()
    if not comes_first:
        bring(house, 0, 1, 2)
    assert n_plays(house) == 3
    house.library.watch(house.ada, FILM, house.fake.now())
    house.sync()
    assert n_plays(house) == 4
    bring(house, 3, 4)
    assert n_plays(house) == 6


def test_what_webhooks_told_before_the_first_sync_was_counted_by_the_server(house: House) -> None:
    now = EVENING + timedelta(days=9)
    for days in (2, 1):
        at = EVENING - timedelta(days=days)
        over = at + timedelta(minutes=88)
        for payload in (
            told("PlaybackStart", house.ada, FILM, at, 0),
            told("PlaybackStop", house.ada, FILM, over, 88, PlayedToCompletion=True),
            saved("PlaybackFinished", house.ada, FILM, over, Played=True, PlayCount=1, LastPlayedDate=ticks(at)),
        ):
            with house.engine.begin() as connection:
                take(connection, house.server, "jellyfin", read_webhook(payload, now), now)
    house.say(FILM, is_played=True, n_plays=4, played_at=EVENING - timedelta(days=1))
    house.sync()
    assert n_plays(house) == 4


def test_a_first_sync_that_broke_off_and_is_tried_again_after_a_rewatch_counts_it_once(house: House) -> None:
    house.say(FILM, is_played=True, n_plays=3, played_at=EVENING)
    house.sync()
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE users SET policy_digest = NULL WHERE server_id = :id"), {"id": house.server.id})
    house.library.watch(house.ada, FILM, EVENING + timedelta(days=1))
    house.next_day()
    assert n_plays(house) == 4


def test_a_rewatch_that_goes_on_is_not_finished_until_it_is(house_of_12: House) -> None:
    house = house_of_12
    house.library.watch(house.ada, FILM, EVENING)
    house.sync()
    again = EVENING + timedelta(days=1)
    house.library.begin(house.ada, FILM, again, 1350, 12)
    house.sync()
    assert [(play.percent, play.is_completed) for play in rows(house.engine, house.server, "plays", started_at=again)] == [(25.0, None)]
    house.say(FILM, position_seconds=0)
    house.sync()
    assert [play.is_completed for play in rows(house.engine, house.server, "plays", started_at=again)] == [True]
    assert n_plays(house) == 2


def test_what_is_watched_again_when_it_is_first_read_was_finished_before(house_of_12: House) -> None:
    house = house_of_12
    for day in range(2):
        house.library.watch(house.ada, FILM, EVENING + timedelta(days=day))
    house.library.begin(house.ada, FILM, EVENING + timedelta(days=5), 1350, 12)
    house.sync()
    seen = house.engagement(IDENTITY[FILM])
    assert (seen.n_plays, seen.is_finished) == (3, True)
