"""The Playback Reporting plugin's history: plays with their times and lengths, read once, and no watching twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.db import Engine
from app.errors import MediaServerUnclear
from app.types import Server
from tests.connect.fake_jellyfin.library import generated, guid
from tests.connect.fake_jellyfin.server import FakeJellyfin, plugin
from tests.connect.payloads import jellyfin as told
from tests.jobs.sync.conftest import Sync
from tests.jobs.sync.rows import everything, rows
from tests.jobs.sync.test_live_and_sync import Attic

EVENING = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)
FILM = guid("Movie 0")


@pytest.fixture
def attic(make_jellyfin: Callable[..., FakeJellyfin], connected: Callable[[FakeJellyfin], Server], sync: Sync, engine: Engine) -> Attic:
    fake = make_jellyfin(generated(24, 0, 0, 1, 0), 10)
    fake.plugins = [plugin("Playback Reporting")]
    return Attic(fake, connected(fake), sync, engine)


def watch(attic: Attic, began: datetime, seconds: int, item: str = FILM) -> None:
    """As the plugin notes it, some seconds after the server does."""
    attic.fake.library.watch(attic.ada, item, began)
    attic.fake.history.append((attic.ada, item, "Movie", began + timedelta(seconds=3), seconds))


def test_what_was_watched_before_has_its_times_and_lengths(attic: Attic) -> None:
    for day in range(3):
        watch(attic, EVENING + timedelta(days=day), 5000)
    # One before the plugin was there.
    attic.fake.library.say(attic.ada, FILM, n_plays=4)
    attic.sync()
    [seen] = attic.rows("engagement")
    assert (seen.n_plays, seen.first_at) == (4, EVENING + timedelta(seconds=3))
    assert seen.last_at == EVENING + timedelta(days=2, seconds=5003)
    assert {play.source for play in attic.rows("plays") if play.started_at is None} == {"jellyfin"}


def test_a_history_that_comes_after_the_first_sync_counts_nothing_twice(attic: Attic) -> None:
    attic.fake.plugins = []
    for day in range(3):
        watch(attic, EVENING + timedelta(days=day), 5000)
    attic.sync()
    assert attic.watchings() == [(3, True)]
    attic.fake.plugins = [plugin("Playback Reporting")]
    attic.sync()
    assert len([play for play in attic.rows("plays") if play.source == "playback reporting"]) == 3
    assert attic.watchings() == [(3, True)]


def test_it_is_read_from_the_row_that_was_read_last(attic: Attic, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.connect import jellyfin_history

    monkeypatch.setattr(jellyfin_history, "PAGE", 7)
    monkeypatch.setattr(jellyfin_history, "READ_AGAIN", 2)
    for number in range(20):
        watch(attic, EVENING - timedelta(days=number), 600, guid(f"Movie {number}"))
    attic.sync()
    n_before, stood = len(attic.fake.asked), everything(attic.engine, attic.server)
    attic.sync()
    assert sum(asked.path.endswith("submit_custom_query") for asked in attic.fake.asked[n_before:]) == 2
    assert everything(attic.engine, attic.server) == stood
    # The last was going on when it was read.
    attic.fake.history[-1] = (*attic.fake.history[-1][:4], 5400)
    attic.sync()
    assert [row.completion for row in rows(attic.engine, attic.server, "engagement", identity="movie:tmdb:1019")] == [1.0]
    # A history that was emptied begins anew.
    attic.fake.history.clear()
    watch(attic, EVENING + timedelta(days=1), 300, guid("Movie 20"))
    attic.sync()
    assert len(rows(attic.engine, attic.server, "engagement", identity="movie:tmdb:1020")) == 1


@pytest.mark.parametrize("webhook_first", [True, False])
def test_what_a_webhook_told_too_is_one_watching(attic: Attic, webhook_first: bool) -> None:
    attic.sync()
    watch(attic, EVENING, 5200)
    payloads = [
        told("PlaybackStart", attic.ada, FILM, EVENING + timedelta(milliseconds=80), 0),
        told("PlaybackStop", attic.ada, FILM, EVENING + timedelta(hours=3), 87, PlayedToCompletion=True),
    ]
    if webhook_first:
        attic.hear(*payloads)
    attic.sync()
    if not webhook_first:
        attic.hear(*payloads)
    assert attic.watchings() == [(1, True)]


def test_songs_and_what_can_not_be_read_are_left_out(attic: Attic) -> None:
    attic.fake.history += [(attic.ada, FILM, "Audio", EVENING, 200), ("nobody", FILM, "Movie", EVENING, 200)]
    assert attic.sync().plays.n_created == 0


def test_a_server_without_the_plugin_is_not_asked(attic: Attic) -> None:
    attic.fake.plugins = []
    attic.sync()
    assert not any(asked.path.endswith("submit_custom_query") for asked in attic.fake.asked)


def test_a_history_that_breaks_off_ends_the_sync(attic: Attic) -> None:
    watch(attic, EVENING, 5200)
    attic.fake.history_error = "Error Running Query"
    with pytest.raises(MediaServerUnclear):
        attic.sync()
    attic.fake.history_error = None
    attic.sync()
    assert attic.watchings() == [(1, True)]
