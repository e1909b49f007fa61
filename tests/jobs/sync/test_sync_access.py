"""What each user may see: asked of the media server, and never wider than it is known to be."""

import contextlib
from dataclasses import replace

import pytest

from app.errors import MediaServerDown
from tests.connect.fake_jellyfin.library import FakeUser, guid
from tests.connect.fake_jellyfin.server import Answer
from tests.jobs.sync.conftest import EVENING, FILM, SERIES, House
from tests.jobs.sync.rows import rows


def test_a_user_sees_what_the_media_server_shows_them(house: House) -> None:
    house.library.users[house.ben].hidden = {FILM, SERIES}
    house.library.users[house.ben].policy = {"MaxParentalRating": 13}
    house.sync()
    titles = {one.id for one in house.library.items.values() if one.type in ("Movie", "Series")}
    assert (house.shown(house.ada), house.shown(house.ben)) == (titles, titles - {FILM, SERIES})


def test_films_that_the_server_groups_into_a_collection_are_shown_like_any_other(house: House) -> None:
    grouped = {guid("Movie 1"), guid("Movie 2")}
    house.library.users[house.ben].policy = {"MaxParentalRating": 13}
    house.sync()
    assert grouped <= house.shown(house.ben)
    house.library.change(guid("Movie 1"), house.fake.now(), overview="Told anew.")
    house.sync()
    assert grouped <= house.shown(house.ben)


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


def test_a_new_title_of_a_library_that_is_kept_from_somebody_is_not_shown_to_them(house: House) -> None:
    films = guid("films")
    house.library.users[house.ben].policy = {"BlockedMediaFolders": [films]}
    house.sync()
    series = {one.id for one in house.library.items.values() if one.type == "Series"}
    assert house.shown(house.ben) == series
    for key, like in (("new film", FILM), ("new series", SERIES)):
        house.library.add(
            replace(house.library.items[like], id=guid(key), name=key, provider_ids={"Tmdb": "77"}, saved_at=house.fake.now())
        )
    house.library.change(FILM, house.fake.now(), overview="Told anew.")
    house.sync()
    assert {guid("new film"), FILM} <= house.shown(house.ada)
    assert house.shown(house.ben) == series | {guid("new series")}


def test_a_policy_that_changes_is_asked_about_at_once(house: House) -> None:
    house.sync()
    house.library.users[house.ben].policy, house.library.users[house.ben].hidden = {"BlockedTags": ["gore"]}, {FILM}
    house.sync()
    assert FILM not in house.shown(house.ben)
    house.library.users[house.ben].policy, house.library.users[house.ben].hidden = {}, set()
    house.sync()
    assert FILM in house.shown(house.ben)
    assert {row.is_limited for row in rows(house.engine, house.server, "users")} == {False}


def test_a_policy_that_was_tightened_holds_though_what_they_see_cannot_be_read(house: House) -> None:
    house.sync()
    ben = house.library.users[house.ben]
    ben.policy = {"EnableAllFolders": False, "EnabledFolders": [guid("shows")], "BlockedTags": ["gore"]}
    house.library.change(SERIES, house.fake.now(), tags=["gore"])
    house.fake.fails_for = {house.ben}
    with pytest.raises(MediaServerDown, match="500"):
        house.sync()
    assert house.shown(house.ben) == {guid("Series 1")}
    ben.policy = {"IsDisabled": True}
    house.fake.canned["/Library/VirtualFolders"] = Answer(500)
    with pytest.raises(MediaServerDown, match="500"):
        house.sync()
    assert [row.is_disabled for row in rows(house.engine, house.server, "users", external_id=house.ben)] == [True]


def test_who_was_disabled_is_answered_nothing_until_it_is_known_what_they_see(house: House) -> None:
    house.sync()
    for policy in ({"IsDisabled": True}, {"MaxParentalRating": 13}):
        house.library.users[house.ben].policy, house.library.users[house.ben].hidden = policy, {FILM}
        house.fake.fails_for = set() if "IsDisabled" in policy else {house.ben}
        with contextlib.suppress(MediaServerDown):
            house.sync()
        assert [row.is_disabled for row in rows(house.engine, house.server, "users", external_id=house.ben)] == [True]
    house.fake.fails_for = set()
    house.sync()
    assert FILM not in house.shown(house.ben)


@pytest.mark.parametrize("is_nightly", [True, False])
def test_who_cannot_be_read_keeps_nobody_else_from_being_read(house: House, is_nightly: bool) -> None:
    house.sync()
    for user, film in ((house.ada, FILM), (house.ben, guid("Movie 1"))):
        house.library.watch(user, film, house.fake.now())
    [first, last] = sorted((house.ada, house.ben))
    house.fake.fails_for = {first}
    with pytest.raises(MediaServerDown, match="500"):
        house.next_day() if is_nightly else house.sync()
    assert {row.user for row in rows(house.engine, house.server, "plays")} == {last}
    house.fake.fails_for = set()
    house.next_day() if is_nightly else house.sync()
    assert {row.user for row in rows(house.engine, house.server, "plays")} == {first, last}


def test_a_server_that_is_gone_is_not_asked_about_everybody(house: House) -> None:
    for number in range(20):
        house.library.users[guid(f"guest {number}")] = FakeUser(guid(f"guest {number}"), f"Guest {number}")
    house.sync()
    of_users = next(number for number, asked in enumerate(house.fake.asked) if "userId" in asked.query)
    house.fake.dies_at = len(house.fake.asked) + of_users
    with pytest.raises(MediaServerDown):
        house.next_day()
    assert len(house.fake.asked) < house.fake.dies_at + 10


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


def test_who_is_disabled_is_told_so_and_not_read(house: House) -> None:
    house.library.users[house.ben].policy = {"IsDisabled": True}
    house.sync()
    assert [row.is_disabled for row in rows(house.engine, house.server, "users", external_id=house.ben)] == [True]
    assert house.ben not in {asked.query.get("userId") for asked in house.fake.asked}
