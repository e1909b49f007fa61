"""What the media server lost is marked as gone, once it is certain; what looks like a fault of the server is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db import Engine
from app.errors import BadInput, MediaServerDown
from app.types import Server
from tests.connect.fake_jellyfin.library import FakeItem, FakeLibrary, generated, guid
from tests.connect.fake_jellyfin.server import FakeJellyfin
from tests.jobs.sync.conftest import Sync
from tests.jobs.sync.rows import rows

TOMORROW = datetime.now(UTC) + timedelta(days=1)
FILMS = guid("films")


class Home:
    """A Jellyfin of 25 films that was read once, and the server that reads it."""

    def __init__(self, fake: FakeJellyfin, server: Server, sync: Sync, engine: Engine) -> None:
        self.fake, self.server, self._sync, self.engine = fake, server, sync, engine
        self.library = fake.library
        self.films = [one.id for one in fake.library.items.values()]
        self._day = 0
        self.user = next(iter(fake.library.users))
        self.library.watch(self.user, self.films[0], datetime(2026, 3, 1, tzinfo=UTC))
        sync(server)

    def next_day(self, **given: Any) -> Any:
        self._day += 1
        return self._sync(self.server, TOMORROW + timedelta(days=self._day), **given)

    def id_lists(self) -> list[int]:
        """Which requests of a night's sync read the ids of the films."""
        n_before = len(self.fake.asked)
        self.next_day()
        asked = [(number, one.query) for number, one in enumerate(self.fake.asked[n_before:])]
        return [number for number, query in asked if query.get("parentId") == FILMS and "fields" not in query]

    def gone(self) -> set[str]:
        return {row.external_id for row in rows(self.engine, self.server, "entries", is_gone=True)}


@pytest.fixture
def home(make_jellyfin: Callable[..., FakeJellyfin], connected: Callable[[FakeJellyfin], Server], sync: Sync, engine: Engine) -> Home:
    fake = make_jellyfin(generated(25, 0, 0, 1, 0))
    return Home(fake, connected(fake), sync, engine)


def test_a_film_that_is_gone_is_found_by_the_nightly_comparison_and_its_history_stays(home: Home, sync: Sync) -> None:
    home.library.remove(home.films[0])
    sync(home.server)
    assert home.gone() == set()
    assert home.next_day().n_deleted == 1
    assert home.gone() == {home.films[0]}
    assert [row.is_available for row in rows(home.engine, home.server, "items", identity="movie:tmdb:1000")] == [False]
    assert len(rows(home.engine, home.server, "engagement", identity="movie:tmdb:1000")) == 1


def test_films_of_a_collection_are_no_loss(home: Home) -> None:
    assert home.next_day().n_deleted == 0
    home.library.collections[guid("another collection")] = set(home.films[5:15])
    home.library.version += 1
    assert home.next_day().n_deleted == 0
    assert len(rows(home.engine, home.server, "entries", is_gone=False)) == 25


def test_a_film_that_comes_back_is_there_again(home: Home) -> None:
    film = home.library.remove(home.films[3])
    home.next_day()
    home.library.add(film)
    home.next_day()
    assert home.gone() == set()


def test_a_file_under_a_new_id_is_the_same_film_seen_once(home: Home) -> None:
    renewed = home.library.renew_id(home.films[0], home.fake.now())
    home.next_day(depth="everything")
    assert home.gone() == {home.films[0]}
    [film] = rows(home.engine, home.server, "items", identity="movie:tmdb:1000")
    assert film.is_available
    assert {row.identity for row in rows(home.engine, home.server, "entries", external_id=renewed)} == {film.identity}
    [seen] = rows(home.engine, home.server, "engagement", identity=film.identity)
    assert (seen.n_plays, seen.is_finished) == (1, True)
    assert home.next_day(depth="everything").signals.n_changed == 0


def test_a_server_that_dies_half_way_deletes_nothing(home: Home) -> None:
    last = home.id_lists()[-1]
    home.library.remove(home.films[0])
    for dies_at in range(last + 1):
        home.fake.dies_at = len(home.fake.asked) + dies_at
        with pytest.raises(MediaServerDown):
            home.next_day()
        assert home.gone() == set()
    home.fake.dies_at = None
    assert home.next_day().n_deleted == 1


def test_a_list_that_is_shorter_than_its_count_deletes_nothing(home: Home) -> None:
    home.library.remove(home.films[0])
    pages = home.fake.lists.page

    def lossy(query: Any) -> dict[str, Any]:
        page = pages(query)
        is_list = "parentId" in query and "fields" not in query
        return page | {"Items": page["Items"][1:]} if is_list else page

    home.fake.lists.page = lossy  # type: ignore[method-assign]
    done = home.next_day()
    assert (done.n_deleted, done.unsure) == (0, ["Films"])
    assert home.gone() == set()
    home.fake.lists.page = pages  # type: ignore[method-assign]
    done = home.next_day()
    assert (done.n_deleted, list(done.unsure)) == (1, [])


def test_a_list_that_holds_something_twice_every_night_is_said_to(home: Home) -> None:
    pages = home.fake.lists.page

    def doubled(query: Any) -> dict[str, Any]:
        page = pages(query)
        return page | {"Items": [*page["Items"], *page["Items"][:1]], "TotalRecordCount": page["TotalRecordCount"] + bool(page["Items"])}

    home.fake.lists.page = doubled  # type: ignore[method-assign]
    assert home.next_day().unsure == ["Films"]


def test_an_item_that_moves_the_pages_while_ids_are_read_is_no_loss(home: Home) -> None:
    oldest = min(home.library.items.values(), key=lambda one: one.created_at).id
    second_page = home.id_lists()[1]
    home.fake.before[len(home.fake.asked) + second_page] = lambda: home.library.remove(oldest)
    assert home.next_day().n_deleted == 1
    assert home.gone() == {oldest}


def test_a_library_that_is_gone_from_the_list_is_kept_until_somebody_says_so(home: Home) -> None:
    folder = home.library.folders.pop(FILMS)
    items = dict(home.library.items)
    home.library.items.clear()
    home.library.version += 1
    with pytest.raises(BadInput, match="No earlier sync held"):
        home.next_day(forget=[FILMS])
    for _ in range(2):
        done = home.next_day()
        assert (done.n_deleted, list(done.held)) == (0, [FILMS])
    assert "not list this library" in done.held[FILMS]
    assert home.next_day(forget=[FILMS]).n_deleted == 25
    home.library.folders[FILMS], home.library.items = folder, items
    home.library.version += 1
    assert home.next_day(depth="everything").held == {}
    assert home.gone() == set()


def test_most_of_a_library_at_once_is_kept_until_somebody_says_so(home: Home) -> None:
    for film in home.films[:20]:
        home.library.remove(film)
    assert home.next_day().held == {FILMS: "20 of 25 entries are gone at once"}
    assert home.gone() == set()
    assert home.next_day(forget=[FILMS]).n_deleted == 20


def test_what_a_page_lost_to_a_shift_is_found_by_comparing_ids(
    make_jellyfin: Callable[..., FakeJellyfin], connected: Callable[[FakeJellyfin], Server], sync: Sync, engine: Engine
) -> None:
    library: FakeLibrary = generated(20, 0, 0, 0, 0)
    fake = make_jellyfin(library)
    oldest: FakeItem = min(library.items.values(), key=lambda one: one.created_at)
    server = connected(fake)
    # Between the first and the second page of the films.
    fake.before[6] = lambda: library.remove(oldest.id)
    sync(server)
    assert {row.external_id for row in rows(engine, server, "entries", is_gone=False)} == set(library.items)
