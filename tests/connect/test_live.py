"""From what webhooks say to plays and signals: one sitting is one play, whatever was told of it, how often and in which order."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.connect import emby_webhook, jellyfin_webhook, plex_webhook
from app.connect.live import Taken, take
from app.db import Engine
from app.db.engine import working_engine
from app.types import Server, ServerKind
from tests.connect.payloads import emby, evening, jellyfin, plex, saved, templated
from tests.db.household import House as Household
from tests.db.household import film, user
from tests.jobs.sync.rows import rows

ADA, FILM = "a" * 32, "f" * 32
BEGAN = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)
NOW = BEGAN + timedelta(days=2)
READERS = {"jellyfin": jellyfin_webhook.read_webhook, "emby": emby_webhook.read_webhook, "plex": plex_webhook.read_webhook}


class Ear:
    """A server that knows ada and a film of 90 minutes, and hears what is told of it."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self.engine, self.server = engine, server
        household = Household(engine, server.id)
        household.users(user(ADA), user("1"))
        household.items(film(FILM, runtime_seconds=5400), film("77", runtime_seconds=5400))

    def hear(self, payload: Mapping[str, Any], kind: ServerKind = "jellyfin", at: datetime = NOW) -> Taken:
        news = READERS[kind](payload, at)
        with self.engine.begin() as connection:
            return take(connection, self.server, kind, news, at)

    def rows(self, table: str, **only: Any) -> list[Any]:
        return rows(self.engine, self.server, table, **only)


@pytest.fixture
def ear(engine: Engine, server: Server) -> Ear:
    return Ear(engine, server)


def minutes(number: float) -> datetime:
    return BEGAN + timedelta(minutes=number)


def test_an_evening_of_reports_is_one_play_and_few_writes(ear: Ear) -> None:
    taken = [ear.hear(payload) for payload in evening(ADA, FILM, BEGAN)]
    [play] = ear.rows("plays")
    assert (play.user, play.entry, play.started_at, play.is_completed, round(play.percent)) == (ADA, FILM, BEGAN, True, 98)
    [seen] = ear.rows("engagement")
    assert (seen.n_plays, seen.is_finished) == (1, True)
    assert sum(one.what == "play" for one in taken) <= 5300 / 120 + 2


def test_an_evening_is_one_play_whatever_the_zone_of_the_database(ear: Ear, database_url: str) -> None:
    east = working_engine(f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20timezone%3DPacific/Auckland")
    ear.engine = east
    try:
        for payload in evening(ADA, FILM, BEGAN)[::30]:
            ear.hear(payload)
        assert len(ear.rows("plays")) == 1
    finally:
        east.dispose()


@pytest.mark.parametrize("order", [0, 1], ids=["as it comes", "turned around behind the start"])
def test_news_that_overtake_each_other_end_in_the_same_play(ear: Ear, order: int) -> None:
    start, *others = evening(ADA, FILM, BEGAN)
    for payload in [start, *(others[::-1] if order else others)]:
        ear.hear(payload)
    ear.hear(start)
    assert [(play.started_at, play.is_completed) for play in ear.rows("plays")] == [(BEGAN, True)]


def test_a_template_says_the_same_as_all_properties(ear: Ear, engine: Engine, make_server: Any) -> None:
    other = Ear(engine, make_server())
    for payload in [*evening(ADA, FILM, BEGAN)[::13], evening(ADA, FILM, BEGAN)[-1]]:
        ear.hear(payload)
        other.hear(templated(payload))
    assert ear.rows("plays") == other.rows("plays")


def test_who_pauses_has_not_watched_meanwhile_and_who_skips_has_not_watched_that(ear: Ear) -> None:
    ear.hear(jellyfin("PlaybackStart", ADA, FILM, BEGAN, 0))
    ear.hear(jellyfin("PlaybackProgress", ADA, FILM, minutes(20), 20))
    ear.hear(jellyfin("PlaybackProgress", ADA, FILM, minutes(120), 24))
    ear.hear(jellyfin("PlaybackStop", ADA, FILM, minutes(121), 54, PlayedToCompletion=False))
    [seen] = ear.rows("engagement")
    # 20 minutes, 4 after the pause, and one in which half an hour was skipped: how far it came is 54 of 90.
    assert (seen.n_plays, round(seen.completion, 2), seen.is_finished) == (1, 0.6, False)
    assert seen.last_at == minutes(25)


def test_the_next_evening_is_another_play(ear: Ear) -> None:
    for began in (BEGAN, BEGAN + timedelta(days=1)):
        ear.hear(jellyfin("PlaybackStart", ADA, FILM, began, 0))
        ear.hear(jellyfin("PlaybackStop", ADA, FILM, began + timedelta(minutes=30), 30, PlayedToCompletion=False))
    assert [row.n_plays for row in ear.rows("engagement")] == [2]


def test_another_track_is_the_same_sitting(ear: Ear) -> None:
    ear.hear(jellyfin("PlaybackStart", ADA, FILM, BEGAN, 0))
    ear.hear(jellyfin("PlaybackStop", ADA, FILM, minutes(10), 10, PlayedToCompletion=False))
    ear.hear(jellyfin("PlaybackStart", ADA, FILM, minutes(10.2), 10))
    ear.hear(jellyfin("PlaybackStop", ADA, FILM, minutes(89), 88, PlayedToCompletion=True))
    assert [(row.n_plays, row.is_finished) for row in ear.rows("engagement")] == [(1, True)]


@pytest.mark.parametrize("heard_every", [30, 600], ids=["as usual", "nothing in between"])
def test_a_start_that_is_told_again_while_it_lasts_is_the_same_sitting(ear: Ear, heard_every: int) -> None:
    ear.hear(jellyfin("PlaybackStart", ADA, FILM, BEGAN, 0))
    for seconds in range(heard_every, 700, heard_every):
        ear.hear(jellyfin("PlaybackProgress", ADA, FILM, minutes(seconds / 60), seconds / 60))
    ear.hear(jellyfin("PlaybackStart", ADA, FILM, minutes(715 / 60), 715 / 60))
    ear.hear(jellyfin("PlaybackStop", ADA, FILM, minutes(50), 50, PlayedToCompletion=False))
    [seen] = ear.rows("engagement")
    assert (len(ear.rows("plays")), seen.n_plays, seen.last_at) == (1, 1, minutes(50))


def test_what_is_not_told_stays_unknown(ear: Ear) -> None:
    unknown = {"RunTimeTicks": 0, "PlaybackPositionTicks": 0, "PlayedToCompletion": ""}
    strange = "e" * 32
    ear.hear(jellyfin("PlaybackStart", ADA, strange, BEGAN, 0) | unknown)
    ear.hear(jellyfin("PlaybackStop", ADA, strange, minutes(50), 0) | unknown)
    [play] = ear.rows("plays")
    assert (play.percent, play.is_completed) == (None, None)


def test_a_start_alone_claims_no_end(ear: Ear) -> None:
    ear.hear(jellyfin("PlaybackStart", ADA, FILM, BEGAN, 0))
    [seen] = ear.rows("engagement")
    assert (seen.is_seen, seen.n_plays, seen.completion) == (True, 1, None)


def test_a_stop_alone_counts_where_nobody_can_be_asked(ear: Ear) -> None:
    ear.hear(jellyfin("PlaybackStop", ADA, FILM, minutes(50), 45, PlayedToCompletion=False))
    [seen] = ear.rows("engagement")
    assert (seen.n_plays, seen.completion, seen.last_at) == (1, 0.5, minutes(50))


@pytest.mark.parametrize("write", [dict, templated], ids=["all properties", "a template"])
def test_marked_as_watched_and_as_not_watched(ear: Ear, write: Any) -> None:
    ear.hear(write(saved("TogglePlayed", ADA, FILM, BEGAN, Played=True, PlayCount=1)))
    assert [(row.is_seen, row.is_finished) for row in ear.rows("engagement")] == [(True, True)]
    ear.hear(write(saved("TogglePlayed", ADA, FILM, minutes(5))))
    assert ear.rows("engagement") == []


@pytest.mark.parametrize("write", [dict, templated], ids=["all properties", "a template"])
def test_liked_then_disliked_then_neither(ear: Ear, write: Any) -> None:
    found = []
    for number, change in enumerate(
        ({"Likes": True, "Rating": 10, "Favorite": True}, {"Likes": False, "Rating": 1}, {"Likes": True, "Rating": 8}, {})
    ):
        ear.hear(write(saved("UpdateUserRating", ADA, FILM, minutes(number), **change)))
        found += [(row.is_liked, row.is_favourite, row.rating) for row in ear.rows("engagement")]
    assert found == [(True, True, None), (False, False, None), (True, False, 8.0)]
    assert ear.rows("engagement") == []


def test_what_the_template_leaves_out_is_not_taken_back(ear: Ear) -> None:
    ear.hear(saved("UpdateUserRating", ADA, FILM, BEGAN, Favorite=True))
    payload = saved("UpdateUserRating", ADA, FILM, minutes(1), Likes=True, Rating=10)
    del payload["Favorite"]
    ear.hear(payload)
    assert [(row.is_liked, row.is_favourite) for row in ear.rows("engagement")] == [(True, True)]


def test_an_end_that_is_told_twice_is_one_watching(ear: Ear) -> None:
    for payload in [*evening(ADA, FILM, BEGAN)[::50], evening(ADA, FILM, BEGAN)[-1]]:
        ear.hear(payload)
    at = (BEGAN - timedelta(milliseconds=40)).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    ear.hear(saved("PlaybackFinished", ADA, FILM, minutes(89), Played=True, PlayCount=1, LastPlayedDate=at))
    assert (len(ear.rows("plays")), [row.n_plays for row in ear.rows("engagement")]) == (2, [1])


def test_who_was_erased_is_not_taken_back(ear: Ear) -> None:
    from app.db.erase import erase_user

    with ear.engine.begin() as connection:
        erase_user(connection, ear.server.id, ADA, NOW)
    assert ear.hear(jellyfin("PlaybackStart", ADA, FILM, BEGAN, 0)).reason == "this user was erased and is not taken back"
    assert ear.rows("plays") == []


def test_songs_and_trailers_are_not_kept(ear: Ear) -> None:
    assert "Audio" in str(ear.hear(jellyfin("PlaybackStart", ADA, FILM, BEGAN, 0, ItemType="Audio")).reason)
    assert ear.rows("plays") == []


def test_emby_plays_marks_and_rates(ear: Ear) -> None:
    ear.hear(emby("playback.start", ADA, "77", BEGAN, 0), "emby")
    ear.hear(emby("playback.pause", ADA, "77", minutes(30), 30), "emby")
    ear.hear(emby("playback.stop", ADA, "77", minutes(100), 85, PlayedToCompletion=True), "emby")
    assert [(play.entry, play.started_at, play.is_completed) for play in ear.rows("plays")] == [("77", BEGAN, True)]
    rated = emby("item.rate", ADA, "77", minutes(101))
    rated["Item"] |= {"UserData": {"IsFavorite": True, "Played": True}}
    ear.hear(rated, "emby")
    assert [(row.n_plays, row.is_favourite) for row in ear.rows("engagement")] == [(1, True)]
    ear.hear(emby("item.markunplayed", ADA, "77", minutes(102)), "emby")
    assert [(row.n_plays, row.is_seen) for row in ear.rows("engagement")] == [(0, False)]


def test_plex_plays_scrobbles_and_rates(ear: Ear) -> None:
    ear.hear(plex("media.play", 1, "77"), "plex", BEGAN)
    ear.hear(plex("media.pause", 1, "77", 40), "plex", minutes(40))
    ear.hear(plex("media.scrobble", 1, "77", 81), "plex", minutes(90))
    ear.hear(plex("media.stop", 1, "77", 84), "plex", minutes(93))
    [play] = ear.rows("plays")
    assert (play.user, play.entry, play.started_at, play.is_completed, round(play.percent)) == ("1", "77", BEGAN, True, 93)
    ear.hear(plex("media.rate", 1, "77", rating=8), "plex")
    assert [(row.n_plays, row.rating) for row in ear.rows("engagement")] == [(1, 8.0)]


@pytest.mark.parametrize("before", [("media.pause", 80), ("media.stop", 80)], ids=["a pause", "the stop"])
@pytest.mark.parametrize("offset", [81, None], ids=["with an offset", "without"])
def test_a_plex_that_scrobbles_right_after_something_else_was_watched_to_its_end(
    ear: Ear, before: tuple[str, int], offset: int | None
) -> None:
    ear.hear(plex("media.play", 1, "77"), "plex", BEGAN)
    ear.hear(plex(before[0], 1, "77", before[1]), "plex", minutes(80))
    assert ear.hear(plex("media.scrobble", 1, "77", offset), "plex", minutes(80.5)).what == "play"
    ear.hear(plex("media.stop", 1, "77"), "plex", minutes(81))
    assert [play.is_completed for play in ear.rows("plays")] == [True]
    assert [(row.n_plays, row.is_finished) for row in ear.rows("engagement")] == [(1, True)]


def test_a_plex_that_tells_no_offset_at_all_says_what_was_watched_to_its_end(ear: Ear) -> None:
    for event, minute in (("media.play", 0), ("media.scrobble", 81), ("media.stop", 90)):
        ear.hear(plex(event, 1, "77"), "plex", minutes(minute))
    assert [(play.started_at, play.is_completed) for play in ear.rows("plays")] == [(BEGAN, True)]


def test_plex_without_a_length_knows_no_completion(ear: Ear) -> None:
    for event, minute in (("media.play", None), ("media.stop", 40)):
        payload = plex(event, 1, "88", minute)
        del payload["Metadata"]["duration"]
        ear.hear(payload, "plex", minutes(minute or 0))
    assert [(play.percent, play.is_completed) for play in ear.rows("plays")] == [(None, None)]
