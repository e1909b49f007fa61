"""What a webhook told and what a sync reads of it: one watching, in either order; and what a webhook says of the library is asked about."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text

from app.connect.jellyfin_webhook import read_webhook
from app.connect.live import Taken, take
from app.db import Engine
from app.types import Server
from tests.connect.fake_jellyfin.answers import ticks
from tests.connect.fake_jellyfin.library import generated, guid
from tests.connect.fake_jellyfin.server import FakeJellyfin
from tests.connect.payloads import jellyfin, saved
from tests.jobs.sync.conftest import Sync
from tests.jobs.sync.rows import rows

# A media server notes when something began a moment before it tells of it.
BEGAN = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)
TOLD = BEGAN + timedelta(milliseconds=80)
FILM = guid("Movie 0")


class Attic:
    """Ada's Jellyfin: what she does there is in its data, and told by its webhooks."""

    def __init__(self, fake: FakeJellyfin, server: Server, sync: Sync, engine: Engine) -> None:
        self.fake, self.server, self.engine, self._sync = fake, server, engine, sync
        self.ada = next(iter(fake.library.users))

    def sync(self, **given: Any) -> Any:
        return self._sync(self.server, **given)

    def hear(self, *payloads: dict[str, Any]) -> list[Taken]:
        taken = []
        for payload in payloads:
            with self.engine.begin() as connection:
                taken.append(take(connection, self.server, "jellyfin", read_webhook(payload, datetime.now(UTC)), datetime.now(UTC)))
        return taken

    def rows(self, table: str, **only: Any) -> list[Any]:
        return rows(self.engine, self.server, table, **only)

    def watchings(self) -> list[tuple[int, bool]]:
        return [(row.n_plays, row.is_finished) for row in self.rows("engagement")]

    def n_syncs_waiting(self) -> int:
        sql = "SELECT count(*) FROM jobs WHERE server_id = :id AND name = 'sync-library' AND status = 'queued'"
        with self.engine.begin() as connection:
            return int(connection.execute(text(sql), {"id": self.server.id}).scalar_one())


@pytest.fixture
def attic(make_jellyfin: Callable[..., FakeJellyfin], connected: Callable[[FakeJellyfin], Server], sync: Sync, engine: Engine) -> Attic:
    fake = make_jellyfin(generated(24, 0, 0, 1, 0), 10)
    made = Attic(fake, connected(fake), sync, engine)
    made.sync()
    return made


def told(attic: Attic, doors: Iterable[str]) -> None:
    """A film that was watched for 80 minutes with a long pause, told by these doors in this order."""
    attic.fake.library.watch(attic.ada, FILM, BEGAN)
    over = TOLD + timedelta(hours=3)
    for door in doors:
        match door:
            case "playback":
                attic.hear(
                    jellyfin("PlaybackStart", attic.ada, FILM, TOLD, 0),
                    jellyfin("PlaybackProgress", attic.ada, FILM, TOLD + timedelta(minutes=60), 60),
                    jellyfin("PlaybackStop", attic.ada, FILM, over, 82, PlayedToCompletion=True),
                )
            case "user data":
                attic.hear(saved("PlaybackFinished", attic.ada, FILM, over, Played=True, PlayCount=1, LastPlayedDate=ticks(BEGAN)))
            case "sync":
                attic.sync()


@pytest.mark.parametrize("doors", list(permutations(("playback", "user data", "sync"))), ids=", ".join)
def test_one_watching_told_by_three_doors_counts_once(attic: Attic, doors: tuple[str, ...]) -> None:
    told(attic, doors)
    assert attic.watchings() == [(1, True)]
    [seen] = attic.rows("engagement")
    assert seen.first_at == BEGAN
    attic.sync()
    assert attic.watchings() == [(1, True)]


def test_two_evenings_stay_two(attic: Attic) -> None:
    told(attic, ("playback", "sync"))
    nextday = BEGAN + timedelta(days=1)
    attic.hear(
        jellyfin("PlaybackStart", attic.ada, FILM, nextday, 0),
        jellyfin("PlaybackStop", attic.ada, FILM, nextday + timedelta(minutes=88), 88, PlayedToCompletion=True),
    )
    attic.fake.library.watch(attic.ada, FILM, nextday)
    attic.sync()
    assert attic.watchings() == [(2, True)]


def test_a_stop_whose_start_was_not_heard_is_left_to_the_server_that_knows_it(attic: Attic) -> None:
    attic.fake.library.watch(attic.ada, FILM, BEGAN)
    [progress, stop] = attic.hear(
        jellyfin("PlaybackProgress", attic.ada, FILM, TOLD + timedelta(minutes=70), 70),
        jellyfin("PlaybackStop", attic.ada, FILM, TOLD + timedelta(minutes=88), 88, PlayedToCompletion=True),
    )
    assert (progress.what, stop.reason, attic.rows("plays")) == ("nothing", "when this began was not told", [])
    assert attic.n_syncs_waiting() == 1
    attic.sync()
    assert attic.watchings() == [(1, True)]


def test_what_a_webhook_said_the_sync_takes_back(attic: Attic) -> None:
    attic.fake.library.say(attic.ada, FILM, is_favourite=True, rating=10.0)
    attic.hear(saved("UpdateUserRating", attic.ada, FILM, TOLD, Favorite=True, Likes=True, Rating=10))
    attic.sync()
    assert [(row.is_favourite, row.is_liked) for row in attic.rows("engagement")] == [(True, True)]
    assert len(attic.rows("signals")) == 2
    attic.fake.library.say(attic.ada, FILM, is_favourite=False, rating=None)
    attic.sync()
    assert attic.rows("engagement") == []


def test_titles_that_are_added_are_read_from_the_server_by_one_sync(attic: Attic) -> None:
    for number in range(5):
        assert attic.hear(jellyfin("ItemAdded", attic.ada, guid(f"new {number}"), TOLD))[0].what == "sync"
    assert attic.n_syncs_waiting() == 1
    assert attic.rows("entries", external_id=guid("new 0")) == []


def test_a_title_is_gone_once_the_server_says_so_too(attic: Attic) -> None:
    other = guid("Movie 1")
    attic.hear(jellyfin("ItemDeleted", attic.ada, FILM, TOLD), jellyfin("ItemDeleted", attic.ada, other, TOLD))
    attic.hear(jellyfin("ItemDeleted", attic.ada, guid("never heard of"), TOLD))
    attic.fake.library.remove(FILM)
    assert [row.is_gone for row in attic.rows("entries", external_id=FILM)] == [False]
    swept = len([asked for asked in attic.fake.asked if asked.query.get("parentId")])
    done = attic.sync()
    assert done.n_deleted == 1
    assert [row.is_gone for key in (FILM, other) for row in attic.rows("entries", external_id=key)] == [True, False]
    assert len([asked for asked in attic.fake.asked if asked.query.get("parentId")]) - swept < swept
    with attic.engine.begin() as connection:
        sql = "SELECT count(*) FROM doubted_entries WHERE server_id = :id"
        assert connection.execute(text(sql), {"id": attic.server.id}).scalar_one() == 0


def test_most_of_a_library_does_not_go_on_the_word_of_webhooks(attic: Attic) -> None:
    for number in range(20):
        attic.hear(jellyfin("ItemDeleted", attic.ada, guid(f"Movie {number}"), TOLD))
        attic.fake.library.remove(guid(f"Movie {number}"))
    assert attic.sync().n_deleted == 0
