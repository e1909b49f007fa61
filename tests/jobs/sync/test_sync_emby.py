"""An Emby is read as a Jellyfin is, though it is asked otherwise and says less."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.db import Engine
from app.errors import MediaServerRefused
from app.types import Server
from tests.connect.fake_emby import FakeEmby, folder_in_policy, numbered
from tests.connect.fake_jellyfin.library import EPOCH, FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.jobs.sync.conftest import Sync
from tests.jobs.sync.rows import break_off, everything, rows

Connected = Callable[[FakeJellyfin], Server]
MakeEmby = Callable[[FakeLibrary], FakeEmby]
EVENING = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)


@pytest.fixture
def emby(make_emby: MakeEmby) -> FakeEmby:
    """9 films, 2 series of 4 episodes, 3 users of whom one is a child."""
    return make_emby(numbered(generated(9, 2, 4, 3, 8)))


def test_an_emby_is_read_as_a_jellyfin_is(
    emby: FakeEmby, make_jellyfin: Callable[[FakeLibrary], FakeJellyfin], connected: Connected, sync: Sync, engine: Engine
) -> None:
    jellyfin, server = connected(make_jellyfin(generated(9, 2, 4, 3, 8))), connected(emby)
    sync(jellyfin)
    done = sync(server)
    assert (done.items.n_rejected, done.plays.n_rejected, done.signals.n_rejected) == (0, 0, 0)
    assert {row.external_id for row in rows(engine, server, "entries")} == set(emby.library.items)
    for table in ("items", "engagement"):
        assert rows(engine, server, table) == rows(engine, jellyfin, table)
    assert {row.source for row in rows(engine, server, "plays")} == {"emby"}
    told, wanted = ({row.external_id: len(row.sees) for row in rows(engine, one, "users")} for one in (server, jellyfin))
    assert told == wanted


def test_told_again_nothing_changes_and_only_what_is_new_is_asked_for(
    emby: FakeEmby, connected: Connected, sync: Sync, engine: Engine
) -> None:
    server = connected(emby)
    sync(server)
    before = everything(engine, server)
    sync(server)
    sync(server, depth="everything")
    assert everything(engine, server) == before
    film = next(iter(emby.library.items))
    emby.library.change(film, emby.now(), name="Renamed")
    emby.library.watch(next(iter(emby.library.users)), film, emby.now())
    done = sync(server)
    assert (done.items.n_updated, done.items.n_received, done.plays.n_created) == (1, 1, 1)


def test_the_token_travels_in_its_header_alone_and_every_list_is_asked_for_as_emby_names_it(
    emby: FakeEmby, connected: Connected, sync: Sync
) -> None:
    sync(connected(emby))
    for asked in emby.asked:
        assert asked.headers["x-emby-token"] == KEY
        assert KEY not in f"{asked.path} {asked.query} {asked.headers.get('authorization')}"
        assert "UserId" not in asked.query
        assert all(name[0].isupper() for name in asked.query)


def test_broken_off_anywhere_it_ends_in_the_same_rows(make_emby: MakeEmby, connected: Connected, sync: Sync, engine: Engine) -> None:
    def library() -> FakeLibrary:
        return numbered(generated(5, 1, 2, 2, 4))

    whole = make_emby(library())
    wanted = connected(whole)
    sync(wanted)
    shaky = make_emby(library())
    server = connected(shaky)
    break_off(shaky, range(3, len(whole.asked), 19), server, sync, engine)
    assert everything(engine, server) == everything(engine, wanted)


def test_films_of_a_collection_are_there_like_any_other(emby: FakeEmby, connected: Connected, sync: Sync, engine: Engine) -> None:
    server = connected(emby)
    sync(server)
    [films] = emby.library.collections.values()
    assert sync(server, datetime.now(UTC) + timedelta(days=2)).n_deleted == 0
    assert films <= {row.external_id for row in rows(engine, server, "entries", is_gone=False)}
    assert {asked.query.get("GroupItemsIntoCollections") for asked in emby.asked if "ParentId" in asked.query} == {"false"}


def test_what_is_gone_goes_and_who_is_gone_is_disabled(emby: FakeEmby, connected: Connected, sync: Sync, engine: Engine) -> None:
    server = connected(emby)
    sync(server)
    film, user = next(iter(emby.library.items)), list(emby.library.users)[1]
    emby.library.remove(film)
    emby.library.users.pop(user)
    assert sync(server, datetime.now(UTC) + timedelta(days=2)).n_deleted == 1
    assert [row.external_id for row in rows(engine, server, "entries", is_gone=True)] == [film]
    assert [row.external_id for row in rows(engine, server, "users", is_disabled=True)] == [user]


def test_the_same_film_under_another_number_was_watched_once(emby: FakeEmby, connected: Connected, sync: Sync, engine: Engine) -> None:
    film, user = next(iter(emby.library.items)), next(iter(emby.library.users))
    emby.library.users[user].states.clear()
    emby.library.watch(user, film, EVENING)
    server = connected(emby)
    sync(server)
    state = emby.library.users[user].states.pop(film)
    emby.library.add(replace(emby.library.remove(film), id="99001", saved_at=emby.now(), created_at=EPOCH + timedelta(days=9)))
    emby.library.users[user].states["99001"] = state
    sync(server, datetime.now(UTC) + timedelta(days=2))
    [seen] = rows(engine, server, "engagement", user=user)
    assert (seen.n_plays, seen.is_seen) == (1, True)


def test_what_a_policy_says_is_asked_and_not_read(emby: FakeEmby, connected: Connected, sync: Sync, engine: Engine) -> None:
    user = list(emby.library.users)[1]
    film = next(iter(emby.library.items))
    # Of tags that let through, none blocks.
    emby.library.users[user].policy = {"IsTagBlockingModeInclusive": True, "BlockedTags": ["tag"], "EnabledFolders": ["f" * 32]}
    emby.library.users[user].hidden = {film}
    server = connected(emby)
    sync(server)
    [row] = rows(engine, server, "users", external_id=user)
    titles = {one.id for one in emby.library.items.values() if one.type in ("Movie", "Series")}
    assert (row.is_limited, row.has_all_libraries, set(row.sees)) == (True, True, titles - {film})


def test_a_new_title_of_a_library_that_is_kept_from_somebody_is_not_theirs(
    emby: FakeEmby, connected: Connected, sync: Sync, engine: Engine
) -> None:
    film, series = (next(one for one in emby.library.items.values() if one.type == kind) for kind in ("Movie", "Series"))
    user = list(emby.library.users)[1]
    emby.library.users[user].policy = {"EnableAllFolders": False, "EnabledFolders": [folder_in_policy(series.library_id)]}
    server = connected(emby)
    sync(server)
    [before] = rows(engine, server, "users", external_id=user)
    for number, title in enumerate((film, series)):
        emby.library.add(replace(title, id=str(99001 + number), provider_ids={"Tmdb": str(77 + number)}, saved_at=emby.now()))
    sync(server)
    [after] = rows(engine, server, "users", external_id=user)
    assert set(after.sees) - set(before.sees) == {"99002"}


def test_a_jellyfin_is_not_read_as_an_emby(emby: FakeEmby, connected: Connected, sync: Sync) -> None:
    emby.product = "Jellyfin Server"
    with pytest.raises(MediaServerRefused, match="palate connect jellyfin"):
        sync(connected(emby))
