"""A Jellyfin is read: everything at first, later what changed, and broken off anywhere it ends in the same rows."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db import Engine
from app.db.connections import find_connection, put_connection
from app.db.engine import working_engine
from app.db.locks import only_one
from app.errors import (
    AlreadyRunning,
    MediaServerDown,
    MediaServerRefused,
    MediaServerUnclear,
    NotConnected,
    PalateError,
    SecretKeyChanged,
)
from app.secrets import encrypted
from app.types import Server, unseen
from jobs.sync_library import sync_library
from tests.connect.fake_jellyfin.library import EPOCH, FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.jobs.sync.conftest import Sync, hasty
from tests.jobs.sync.rows import everything, rows
from tests.planted import SECRET_KEY

Connected = Callable[[FakeJellyfin], Server]
MakeJellyfin = Callable[..., FakeJellyfin]


@pytest.fixture
def small() -> FakeLibrary:
    """9 films, 2 series of 4 episodes, 3 users of whom one is a child."""
    return generated(9, 2, 4, 3, 8)


def test_everything_that_is_there_is_read(jellyfin: FakeJellyfin, connected: Connected, sync: Sync, engine: Engine) -> None:
    server = connected(jellyfin)
    jellyfin.writes_dashes = True
    done = sync(server)
    library = jellyfin.library
    assert [(row.external_id, row.kind) for row in rows(engine, server, "entries")] == sorted(
        (one.id, one.type.lower()) for one in library.items.values()
    )
    assert (done.items.n_created, done.items.n_rejected, done.plays.n_rejected, done.signals.n_rejected) == (len(library.items), 0, 0, 0)
    [film] = [one for one in library.items.values() if one.name == "Movie 3"]
    [row] = rows(engine, server, "items", identity="movie:tmdb:1003")
    assert (row.name, row.year, row.genres, row.is_available) == (film.name, film.year, film.genres, True)
    assert {row.n_episodes for row in rows(engine, server, "items", identity="series:tvdb:5001")} == {12}
    assert {row.name for row in rows(engine, server, "users")} == {user.name for user in library.users.values()}


def test_only_what_is_there_and_is_film_or_series_is_read(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    missing = next(one.id for one in small.items.values() if one.type == "Episode")
    small.change(missing, EPOCH, is_missing=True)
    server = connected(fake := make_jellyfin(small))
    sync(server)
    assert rows(engine, server, "entries", external_id=missing) == []
    songs = next(key for key, (_, kind) in small.folders.items() if kind == "music")
    assert not [asked for asked in fake.asked if asked.query.get("parentId") == songs]


def test_told_again_nothing_changes(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(make_jellyfin(small))
    sync(server)
    before = everything(engine, server)
    for depth in ("news", "everything"):
        done = sync(server, depth=depth)
        assert (done.items.n_changed, done.plays.n_changed, done.signals.n_changed, done.n_deleted) == (0, 0, 0, 0)
    assert everything(engine, server) == before


def test_what_was_saved_since_is_read_and_nothing_else(jellyfin: FakeJellyfin, connected: Connected, sync: Sync, engine: Engine) -> None:
    server = connected(jellyfin)
    sync(server)
    film = next(iter(jellyfin.library.items))
    jellyfin.library.change(film, jellyfin.now(), overview="Told anew.")
    n_before = len(jellyfin.asked)
    done = sync(server)
    assert (done.items.n_received, done.items.n_updated) == (1, 1)
    assert '"Told anew."' in rows(engine, server, "entries", external_id=film)[0].body
    titles = [asked.query for asked in jellyfin.asked[n_before:] if "parentId" in asked.query]
    assert titles
    assert all("minDateLastSaved" in query for query in titles)


def test_what_was_saved_since_is_read_whatever_the_zone_of_the_database(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, database_url: str
) -> None:
    server, film = connected(fake := make_jellyfin(small)), next(iter(small.items))
    east = working_engine(f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20timezone%3DPacific/Auckland")
    try:
        for n_saved in (len(small.items), 1):
            done = sync_library(east, server, SECRET_KEY, datetime.now(UTC), unseen, connect=hasty)
            assert done.items.n_received == n_saved
            small.change(film, fake.now(), overview="Told anew.")
    finally:
        east.dispose()


def test_what_is_saved_while_a_sync_runs_is_read_by_the_next(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    film = next(iter(small.items))
    server = connected(fake := make_jellyfin(small))
    fake.before[len(small.items)] = lambda: small.change(film, fake.now(), overview="Saved meanwhile.")
    sync(server)
    sync(server)
    assert "Saved meanwhile." in rows(engine, server, "entries", external_id=film)[0].body


def test_a_sync_that_dies_and_is_started_again_ends_in_the_same_rows(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    whole, broken = make_jellyfin(small), make_jellyfin(small)
    wanted, server = connected(whole), connected(broken)
    sync(wanted)
    for dies_at in sorted(random.Random(1).sample(range(1, len(whole.asked)), 4)):
        broken.dies_at = len(broken.asked) + dies_at
        with pytest.raises(MediaServerDown):
            sync(server)
    broken.dies_at = None
    sync(server)
    assert everything(engine, server) == everything(engine, wanted)


@pytest.mark.soak
def test_a_sync_that_dies_at_any_request_ends_in_the_same_rows(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    whole = make_jellyfin(small)
    sync(wanted := connected(whole))
    for dies_at in range(len(whole.asked)):
        broken = make_jellyfin(small)
        server = connected(broken)
        broken.dies_at = dies_at
        with pytest.raises(MediaServerDown):
            sync(server)
        broken.dies_at = None
        sync(server)
        assert everything(engine, server) == everything(engine, wanted), dies_at


def test_an_answer_that_fails_once_is_asked_for_again(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    whole, shaky = make_jellyfin(small), make_jellyfin(small)
    wanted, server = connected(whole), connected(shaky)
    shaky.faults = {2: "500", 5: "truncated", 9: "hang up", 14: "503", 20: "no json"}
    sync(wanted)
    sync(server)
    assert everything(engine, server) == everything(engine, wanted)


def test_twice_the_same_item_in_a_list_is_one(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    fake = make_jellyfin(small)
    server = connected(fake)
    pages = fake.lists.page

    def doubled(query: Any) -> dict[str, Any]:
        page = pages(query)
        return page | {"Items": [*page["Items"], *page["Items"][:1]], "TotalRecordCount": page["TotalRecordCount"] + 1}

    fake.lists.page = doubled  # type: ignore[method-assign]
    sync(server)
    assert len(rows(engine, server, "entries")) == len(small.items)


FAULTS: list[tuple[Any, type[PalateError], str]] = [
    ("401", MediaServerRefused, "API key"),
    ("403", MediaServerRefused, "API key"),
    ("elsewhere", MediaServerRefused, "sends elsewhere"),
    ("500", MediaServerDown, "500"),
    ("no json", MediaServerUnclear, "no JSON"),
]


def test_a_server_that_refuses_or_fails_says_so_and_changes_nothing(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(fake := make_jellyfin(small))
    sync(server)
    before = everything(engine, server)
    for fault, error, says in FAULTS:
        fake.always = fault
        with pytest.raises(error, match=says) as raised:
            sync(server)
        assert KEY not in repr(raised.value)
    assert everything(engine, server) == before


def test_another_server_at_the_same_address_is_not_read(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(fake := make_jellyfin(small))
    sync(server)
    before = everything(engine, server)
    fake.library.items.clear()
    fake.id = "e" * 32
    with pytest.raises(MediaServerRefused, match="Another Jellyfin"):
        sync(server, depth="everything")
    assert everything(engine, server) == before


def test_a_token_of_an_administrator_who_does_not_see_everything_takes_nothing_to_be_gone(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server, administrator = connected(fake := make_jellyfin(small)), next(iter(small.users))
    sync(server)
    with engine.begin() as connection:
        put_connection(connection, server.id, "jellyfin", fake.url, encrypted("planted-token", SECRET_KEY), fake.id)
    fake.user_tokens["planted-token"] = administrator
    small.users[administrator].hidden = {next(iter(small.items))}
    with pytest.raises(MediaServerRefused, match="user's token"):
        sync(server, datetime.now(UTC) + timedelta(days=2))
    assert rows(engine, server, "entries", is_gone=True) == []


def test_how_far_it_came_is_the_servers_time_and_written_last(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(fake := make_jellyfin(small))
    fake.now = lambda: EPOCH + timedelta(days=3)
    fake.dies_at = 20
    with pytest.raises(MediaServerDown):
        sync(server)
    assert stored(engine, server).synced_until is None
    fake.dies_at = None
    sync(server)
    assert stored(engine, server).synced_until == EPOCH + timedelta(days=3) - timedelta(minutes=5)


def stored(engine: Engine, server: Server) -> Any:
    with engine.begin() as connection:
        return find_connection(connection, server.id)


def test_what_stands_in_the_way_is_said(
    small: FakeLibrary, make_jellyfin: MakeJellyfin, connected: Connected, sync: Sync, engine: Engine, server: Server
) -> None:
    with pytest.raises(NotConnected):
        sync(server)
    joined = connected(make_jellyfin(small))
    with only_one(engine, f"sync {joined.id}"), pytest.raises(AlreadyRunning, match="sync is already running"):
        sync(joined)
    with pytest.raises(SecretKeyChanged):
        sync_library(engine, joined, "another-secret-key", EPOCH, unseen, connect=hasty)
    assert SECRET_KEY not in repr(stored(engine, joined))
    assert KEY.encode() not in stored(engine, joined).token
