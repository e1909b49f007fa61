"""Users, what each may see, and what they did: told, changed, taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.db.erase import erase_user
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


def test_a_user_sees_what_the_media_server_shows_them(house: House) -> None:
    house.library.users[house.ben].hidden = {FILM, SERIES}
    house.library.users[house.ben].policy = {"MaxParentalRating": 13}
    house.sync()
    titles = {one.id for one in house.library.items.values() if one.type in ("Movie", "Series")}
    assert (house.shown(house.ada), house.shown(house.ben)) == (titles, titles - {FILM, SERIES})


def test_something_is_hidden_though_no_policy_says_so(house: House) -> None:
    house.library.users[house.ben].hidden = {FILM}
    house.sync()
    assert FILM not in house.shown(house.ben)


def test_a_new_title_is_shown_to_the_limited_once_the_server_was_asked(house: House) -> None:
    house.library.users[house.ben].policy = {"MaxParentalRating": 13}
    house.sync()
    new, for_adults = guid("new"), guid("for adults")
    for key in (new, for_adults):
        house.library.change(FILM, house.fake.now())
        house.library.add(
            house.library.items[FILM].__class__(key, "Movie", key, guid("films"), {"Tmdb": key[:6]}, saved_at=house.fake.now())
        )
    house.library.users[house.ben].hidden = {for_adults}
    house.sync()
    assert {new, for_adults} <= house.shown(house.ada)
    assert house.shown(house.ben) & {new, for_adults} == {new}
    house.library.users[house.ben].hidden = {new}
    house.library.change(new, house.fake.now())
    house.sync()
    assert new not in house.shown(house.ben)


def test_a_policy_that_changes_is_asked_about_at_once(house: House) -> None:
    house.sync()
    house.library.users[house.ben].policy, house.library.users[house.ben].hidden = {"BlockedTags": ["gore"]}, {FILM}
    house.sync()
    assert FILM not in house.shown(house.ben)
    house.library.users[house.ben].policy, house.library.users[house.ben].hidden = {}, set()
    house.sync()
    assert FILM in house.shown(house.ben)
    assert {row.is_limited for row in rows(house.engine, house.server, "users")} == {False}


def test_users_who_see_the_same_share_one_set(house: House) -> None:
    for user in house.library.users.values():
        user.policy, user.hidden = {"MaxParentalRating": 13}, {FILM}
    house.sync()
    with house.engine.begin() as connection:
        from sqlalchemy import text

        n_sets = connection.execute(text("SELECT count(*) FROM grants WHERE server_id = :id"), {"id": house.server.id}).scalar_one()
    assert n_sets == 1


def test_nobody_is_answered_before_it_is_known_what_they_see(house: House) -> None:
    house.library.users[house.ben].policy, house.library.users[house.ben].hidden = {"MaxParentalRating": 13}, {FILM}
    house.library.watch(house.ben, guid("Movie 3"), EVENING)
    n_whole = len(house.fake.asked)
    house.fake.dies_at = n_whole + 16
    with pytest.raises(Exception, match="does not answer"):
        house.sync()
    named = {row.external_id for row in rows(house.engine, house.server, "users") if row.name is not None}
    for user in named & {house.ben}:
        assert FILM not in house.shown(user)
    house.fake.dies_at = None
    house.sync()
    assert FILM not in house.shown(house.ben)


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


def test_who_is_disabled_is_told_so_and_not_read(house: House) -> None:
    house.library.users[house.ben].policy = {"IsDisabled": True}
    house.sync()
    assert [row.is_disabled for row in rows(house.engine, house.server, "users", external_id=house.ben)] == [True]
    assert house.ben not in {asked.query.get("userId") for asked in house.fake.asked}
