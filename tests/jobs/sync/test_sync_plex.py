"""A Plex is read: all of its owner's viewing, what others watched, and nothing of what they may see."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db import Engine
from app.db.servers import put_server
from app.errors import MediaServerRefused, MediaServerUnclear
from app.types import Server
from tests.connect.fake_jellyfin.library import FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, Answer, FakeJellyfin
from tests.connect.fake_plex import OWNER, FakePlex
from tests.jobs.sync.conftest import Sync
from tests.jobs.sync.rows import break_off, everything, rows

Connected = Callable[[FakeJellyfin], Server]
MakePlex = Callable[[FakeLibrary], FakePlex]
EVENING = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)
TOMORROW = datetime.now(UTC) + timedelta(days=2)
GUEST = "2"


@pytest.fixture
def plex(make_plex: MakePlex) -> FakePlex:
    """9 films and 2 series of 4 episodes; its owner and a guest, who did nothing yet."""
    return make_plex(generated(9, 2, 4, 2, 0))


@pytest.fixture
def film(plex: FakePlex) -> str:
    return next(one.id for one in plex.library.items.values() if one.name == "Movie 0")


def titles(fake: FakePlex) -> set[str]:
    return {one.id for one in fake.library.items.values() if one.type in ("Movie", "Series")}


def sees(engine: Engine, server: Server, user: str) -> set[str] | None:
    """None: everything."""
    [row] = rows(engine, server, "users", external_id=user)
    return set(row.sees) if row.is_limited else None


def plays(engine: Engine, server: Server, user: str) -> list[tuple[Any, ...]]:
    return sorted((row.entry, row.started_at, row.is_completed, row.percent) for row in rows(engine, server, "plays", user=user))


def test_all_that_is_there_is_read_with_what_a_list_does_not_name(plex: FakePlex, connected: Connected, sync: Sync, engine: Engine) -> None:
    server = connected(plex)
    done = sync(server)
    assert (done.items.n_rejected, done.plays.n_rejected, done.signals.n_rejected) == (0, 0, 0)
    assert {row.external_id for row in rows(engine, server, "entries")} == set(plex.library.items)
    [row] = rows(engine, server, "items", identity="movie:tmdb:1003")
    [film] = [one for one in plex.library.items.values() if one.name == "Movie 3"]
    assert (row.name, row.year, row.genres) == (film.name, film.year, film.genres)
    assert {row.n_episodes for row in rows(engine, server, "items", identity="series:tvdb:5001")} == {4}
    assert {row.name for row in rows(engine, server, "users")} == {"User 0", "User 1"}


def test_each_viewing_of_the_history_is_a_play_at_its_time(
    plex: FakePlex, film: str, connected: Connected, sync: Sync, engine: Engine
) -> None:
    for user, days in ((OWNER, 0), (OWNER, 1), (GUEST, 2)):
        plex.watch(user, film, EVENING + timedelta(days=days))
    # Twice before there was a history.
    plex.library.say(OWNER, film, n_plays=4)
    server = connected(plex)
    sync(server)
    assert {row.started_at for row in rows(engine, server, "plays", user=OWNER)} == {EVENING, EVENING + timedelta(days=1), None}
    assert len(rows(engine, server, "plays", user=OWNER)) == 4
    assert plays(engine, server, GUEST) == [(film, EVENING + timedelta(days=2), True, None)]
    plex.watch(GUEST, film, plex.now())
    plex.watch(OWNER, film, plex.now())
    assert sync(server).plays.n_created == 2
    before = everything(engine, server)
    assert sync(server, depth="everything").plays.n_changed == 0
    assert everything(engine, server) == before


def test_what_its_owner_left_in_the_middle_grows_and_stays_one_sitting(
    plex: FakePlex, film: str, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(plex)
    plex.library.say(OWNER, film, position_seconds=1350, played_at=EVENING)
    sync(server)
    assert plays(engine, server, OWNER) == [(film, EVENING, False, 25.0)]
    plex.library.say(OWNER, film, position_seconds=2700, played_at=plex.now())
    sync(server)
    sync(server, depth="everything")
    assert plays(engine, server, OWNER) == [(film, EVENING, False, 50.0)]


def test_what_is_marked_as_not_watched_is_taken_back(plex: FakePlex, film: str, connected: Connected, sync: Sync, engine: Engine) -> None:
    server = connected(plex)
    plex.watch(OWNER, film, EVENING)
    plex.watch(GUEST, film, EVENING)
    sync(server)
    plex.library.say(OWNER, film, is_played=False, n_plays=0, played_at=None)
    sync(server, TOMORROW)
    assert [row.user for row in rows(engine, server, "engagement", is_seen=True)] == [GUEST]


def test_a_rating_is_its_owners_and_goes_when_it_is_taken_back(
    plex: FakePlex, film: str, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(plex)
    plex.library.say(OWNER, film, rating=8.0)
    sync(server)
    assert [(row.user, row.rating) for row in rows(engine, server, "engagement")] == [(OWNER, 8.0)]
    sync(server)
    plex.library.say(OWNER, film, rating=None)
    sync(server)
    assert rows(engine, server, "engagement") == []


def test_others_than_the_owner_are_shown_nothing_until_somebody_says_so(
    plex: FakePlex, film: str, connected: Connected, sync: Sync, engine: Engine
) -> None:
    plex.watch(GUEST, film, EVENING)
    server = connected(plex)
    sync(server)
    assert (sees(engine, server, OWNER), sees(engine, server, GUEST)) == (None, set())
    plex.library.change(film, plex.now(), name="Renamed")
    sync(server)
    assert sees(engine, server, GUEST) == set()
    with engine.begin() as connection:
        opened, _ = put_server(connection, server.external_id, server.name, "plex", {"guests": "show"})
    sync(opened)
    assert sees(engine, server, GUEST) is None
    sync(server)
    assert sees(engine, server, GUEST) == set()


def test_only_what_changed_is_asked_for_and_told_again_nothing_changes(
    plex: FakePlex, film: str, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(plex)
    sync(server)
    before = everything(engine, server)
    done = sync(server)
    assert (done.items.n_received, everything(engine, server)) == (0, before)
    plex.library.change(film, plex.now(), name="Renamed")
    assert sync(server).items.n_updated == 1


def test_what_is_gone_goes_unless_its_library_is_gone_too(
    plex: FakePlex, film: str, connected: Connected, sync: Sync, engine: Engine
) -> None:
    plex.watch(GUEST, film, EVENING)
    server = connected(plex)
    sync(server)
    plex.library.remove(film)
    assert sync(server, TOMORROW).n_deleted == 1
    [shows] = [key for key, (_, kind) in plex.library.folders.items() if kind == "tvshows"]
    plex.library.folders.pop(shows)
    assert list(sync(server, TOMORROW + timedelta(days=1)).held) == [shows]
    assert [row.external_id for row in rows(engine, server, "entries", is_gone=True)] == [film]
    assert [row.user for row in rows(engine, server, "plays")] == [GUEST]


def test_broken_off_anywhere_it_ends_in_the_same_rows(make_plex: MakePlex, connected: Connected, sync: Sync, engine: Engine) -> None:
    whole, shaky = (make_plex(generated(5, 1, 2, 2, 4)) for _ in range(2))
    wanted, server = connected(whole), connected(shaky)
    sync(wanted)
    break_off(shaky, range(3, len(whole.asked), 4), server, sync, engine)
    assert everything(engine, server) == everything(engine, wanted)


def test_the_token_travels_in_its_header_alone_and_whose_it_is_not_is_refused(plex: FakePlex, connected: Connected, sync: Sync) -> None:
    server = connected(plex)
    sync(server)
    for asked in plex.asked:
        assert asked.headers["x-plex-token"] == KEY
        assert KEY not in f"{asked.path} {asked.query}"
    plex.faults[len(plex.asked) + 2] = "401"
    with pytest.raises(MediaServerRefused, match="owner") as raised:
        sync(server)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"MediaContainer": {"size": 3, "totalSize": 3}}', b'{"MediaContainer": {"size": 1, "Metadata": [{}]}}'],
)
def test_a_list_that_is_none_is_no_empty_list(plex: FakePlex, connected: Connected, sync: Sync, engine: Engine, body: bytes) -> None:
    server = connected(plex)
    sync(server)
    [films] = [key for key, (_, kind) in plex.library.folders.items() if kind == "movies"]
    plex.canned[f"/library/sections/{films}/all"] = Answer(200, body)
    with pytest.raises(MediaServerUnclear):
        sync(server, TOMORROW)
    assert rows(engine, server, "entries", is_gone=True) == []
