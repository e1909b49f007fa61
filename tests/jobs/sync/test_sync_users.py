"""Users, and what they did: told, changed, taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from app.db.asker import find_asker
from app.db.erase import erase_user
from app.errors import MediaServerDown
from tests.connect.fake_jellyfin.library import EPOCH, FakeUser, guid
from tests.jobs.sync.conftest import EPISODE, EVENING, FILM, SERIES, House
from tests.jobs.sync.rows import everything, rows


def test_a_film_that_was_played_is_one_play_when_it_was_begun(house: House) -> None:
    house.library.watch(house.ada, FILM, EVENING)
    house.sync()
    [play] = rows(house.engine, house.server, "plays")
    assert (play.user, play.entry, play.source, play.started_at, play.is_completed, play.percent) == (
        house.ada, FILM, "jellyfin", EVENING, True, None,
    )  # fmt: skip
    seen = house.engagement("movie:tmdb:1000")
    assert (seen.n_plays, seen.is_finished, seen.completion) == (1, True, 1.0)


def test_who_opted_out_here_stays_so(house: House, client: TestClient) -> None:
    house.sync()
    ben = {"user_id": house.ben, "name": "Ben"}
    for said, stands in (({"opted_out": True}, True), ({}, True), ({"opted_out": False}, False)):
        assert client.post("/ingest/users", json={"server_id": house.server.external_id, "users": [ben | said]}).json()["rejected"] == []
        house.sync()
        with house.engine.begin() as connection:
            asker = find_asker(connection, house.server.id, house.ben, None)
        assert asker is not None
        assert asker.viewer.is_opted_out is stands


def test_earlier_plays_count_without_a_time(house: House) -> None:
    house.say(FILM, is_played=True, n_plays=4, played_at=EVENING)
    house.sync()
    times = sorted(str(play.started_at) for play in rows(house.engine, house.server, "plays"))
    assert times == [str(EVENING), "None", "None", "None"]
    house.say(FILM, n_plays=5, played_at=EVENING + timedelta(days=1))
    house.sync()
    assert house.engagement("movie:tmdb:1000").n_plays == 5


def test_what_was_left_in_the_middle_is_known_to_be(house: House) -> None:
    house.say(FILM, n_plays=1, position_seconds=1350, played_at=EVENING)
    house.say(guid("Movie 1"), n_plays=1, played_at=EVENING)
    house.sync()
    seen = house.engagement("movie:tmdb:1000")
    assert (seen.completion, seen.is_finished) == (0.25, False)
    unknown = house.engagement("movie:tmdb:1001")
    assert (unknown.completion, unknown.is_finished) == (None, False)


def test_how_far_somebody_came_is_unknown_where_the_length_is(house: House) -> None:
    house.library.change(FILM, EPOCH, runtime_seconds=None)
    house.say(FILM, n_plays=1, position_seconds=1350, played_at=EVENING)
    house.sync()
    assert house.engagement("movie:tmdb:1000").completion is None


def test_a_sitting_that_a_webhook_tells_too_is_one(house: House) -> None:
    from app.db.ingest import ingest_plays
    from app.ingest_types import PlayRow

    house.library.watch(house.ada, FILM, EVENING)
    house.sync()
    told = PlayRow(str(uuid4()), house.ada, FILM, EVENING + timedelta(seconds=2), None, 5300, None, None, None)
    with house.engine.begin() as connection:
        ingest_plays(connection, house.server.id, "webhook", [told])
    assert (house.engagement("movie:tmdb:1000").n_plays, len(rows(house.engine, house.server, "plays"))) == (1, 2)


def test_an_episode_counts_for_its_series(house: House) -> None:
    house.library.watch(house.ada, EPISODE, EVENING)
    house.sync()
    seen = house.engagement("series:tvdb:5000")
    assert (seen.n_episodes, seen.n_finished) == (1, 1)


def test_what_was_played_since_is_read_up_to_what_is_known(house: House) -> None:
    for number in range(12):
        house.library.watch(house.ada, guid(f"Movie {number}"), EVENING - timedelta(days=number))
    house.sync()
    house.library.watch(house.ada, EPISODE, house.fake.now())
    n_before = len(house.fake.asked)
    assert house.sync().plays.n_created == 1
    lists = [asked.query for asked in house.fake.asked[n_before:] if asked.query.get("filters") == "IsPlayed"]
    assert [query["startIndex"] for query in lists if query["userId"] == house.ada] == ["0"]
    assert "minDateLastSavedForUser" not in {name for asked in house.fake.asked for name in asked.query}


def test_marked_as_not_watched_is_taken_back_by_night_and_watched_again_counts(house: House) -> None:
    for item in (FILM, EPISODE):
        house.library.watch(house.ada, item, EVENING)
    house.sync()
    for item in (FILM, EPISODE):
        house.say(item, is_played=False, n_plays=0, played_at=None)
    house.next_day()
    assert [house.engagement(identity) for identity in ("movie:tmdb:1000", "series:tvdb:5000")] == [None, None]
    assert house.next_day().signals.n_changed == 0
    house.library.watch(house.ada, FILM, house.fake.now() + timedelta(seconds=1))
    house.sync()
    assert house.engagement("movie:tmdb:1000").n_plays == 1


def test_favourites_likes_and_ratings_are_signals_and_go_when_they_disappear(house: House) -> None:
    house.say(FILM, is_favourite=True)
    house.say(SERIES, rating=10.0)
    house.say(guid("Movie 1"), rating=1.0)
    house.say(guid("Movie 2"), rating=8.0)
    house.sync()
    assert house.engagement("movie:tmdb:1000").is_favourite
    assert [house.engagement(one).is_liked for one in ("series:tvdb:5000", "movie:tmdb:1001", "movie:tmdb:1002")] == [True, False, True]
    # A thumb is no rating: what is liked was not seen by that.
    assert [house.engagement(one).rating for one in ("series:tvdb:5000", "movie:tmdb:1001", "movie:tmdb:1002")] == [None, None, 8.0]
    house.say(FILM, is_favourite=False)
    house.say(SERIES, rating=1.0)
    house.say(guid("Movie 2"), rating=None)
    house.sync()
    assert house.engagement("movie:tmdb:1000") is None
    assert house.engagement("series:tvdb:5000").is_liked is False
    assert house.engagement("movie:tmdb:1002") is None
    before = everything(house.engine, house.server)
    house.next_day()
    assert everything(house.engine, house.server) == before


def test_a_dislike_is_read_by_night_stays_and_goes_when_it_disappears(house: House) -> None:
    house.sync()
    house.say(FILM, rating=1.0)
    house.next_day()
    for _ in range(2):
        assert house.engagement("movie:tmdb:1000").is_liked is False
        house.sync()
    house.say(FILM, rating=None)
    house.sync()
    assert house.engagement("movie:tmdb:1000") is None


def test_what_nobody_said_anything_about_is_no_news(house: House) -> None:
    house.sync()
    n_before = len(house.fake.asked)
    house.sync()
    lists = [asked.query for asked in house.fake.asked[n_before:] if "userId" in asked.query]
    assert lists
    assert all(query["startIndex"] == "0" and query["filters"] != "Dislikes" for query in lists)


def test_what_a_list_lost_between_two_pages_is_not_taken_back(house: House) -> None:
    for number in range(12):
        house.library.watch(house.ada, guid(f"Movie {number}"), EVENING - timedelta(days=number))
        house.say(guid(f"Movie {number}"), is_favourite=True)
    house.sync()
    before = rows(house.engine, house.server, "engagement")
    pages = house.fake.lists.page

    def lossy(query: Any) -> dict[str, Any]:
        page = pages(query)
        return page if "ids" in query or "userId" not in query else page | {"Items": page["Items"][1:]}

    house.fake.lists.page = lossy  # type: ignore[method-assign]
    house.next_day()
    assert rows(house.engine, house.server, "engagement") == before


def test_a_first_reading_that_was_broken_off_and_is_begun_again_later_counts_each_play_once(house: House) -> None:
    house.say(FILM, is_played=True, n_plays=3, played_at=EVENING)
    house.fake.fails_for = {house.ben}
    with pytest.raises(MediaServerDown):
        house.sync()
    house.library.watch(house.ada, FILM, EVENING + timedelta(days=1))
    house.fake.fails_for = set()
    house.next_day()
    assert house.engagement("movie:tmdb:1000").n_plays == 4


def test_who_is_new_is_read_from_the_beginning(house: House) -> None:
    house.sync()
    house.library.users[guid("cleo")] = FakeUser(guid("cleo"), "Cleo")
    house.library.watch(guid("cleo"), FILM, EVENING - timedelta(days=300))
    house.sync()
    assert [row.n_plays for row in rows(house.engine, house.server, "engagement", user=guid("cleo"))] == [1]


def test_who_was_erased_is_not_asked_about_and_stays_erased(house: House) -> None:
    house.library.watch(house.ada, FILM, EVENING)
    house.sync()
    with house.engine.begin() as connection:
        erase_user(connection, house.server.id, house.ada, datetime.now(UTC))
    n_before = len(house.fake.asked)
    done = house.next_day()
    assert (done.plays.n_rejected, house.engagement("movie:tmdb:1000")) == (0, None)
    assert house.ada not in {asked.query.get("userId") for asked in house.fake.asked[n_before:]}
