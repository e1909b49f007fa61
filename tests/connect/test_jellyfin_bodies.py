"""What a Jellyfin says of items, users and what they did, as bodies of the API: whatever it says, they can be read."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS
from app.connect.jellyfin_items import item_body
from app.connect.jellyfin_states import state_of
from app.connect.jellyfin_users import user_of
from app.connect.states import State, play_bodies, said, signal_body

KEY = "0b4e1c6fd3a94f7e8a51c2d9e7f60312"
DASHED = "0B4E1C6F-D3A9-4F7E-8A51-C2D9E7F60312"
USER = "1" * 32
FILM: dict[str, Any] = {
    "Id": DASHED, "Type": "Movie", "Name": "Salt Harbour", "ProductionYear": 2019, "RunTimeTicks": 66_000_000_000, "CommunityRating": 7.1,
    "OfficialRating": "R", "Overview": "A harbour.", "Genres": ["Drama"], "Tags": ["sea"], "Studios": [{"Name": "North", "Id": KEY}],
    "ProviderIds": {"Tmdb": "862", "Imdb": "tt0114709", "TmdbCollection": "10194"}, "DateCreated": "2026-05-01T10:00:00.1234567Z",
    "ImageTags": {"Primary": "a1"}, "BackdropImageTags": ["b2"], "OriginalTitle": "Salzhafen",
}  # fmt: skip
DATA: dict[str, Any] = {
    "PlaybackPositionTicks": 0, "PlayCount": 2, "IsFavorite": True, "Likes": None, "Rating": None, "Played": True,
    "LastPlayedDate": "2026-08-02T19:12:00.0000000Z", "Key": "862", "ItemId": KEY,
}  # fmt: skip


def states(**data: Any) -> State:
    state = state_of(FILM | {"UserData": DATA | data})
    assert state is not None
    return state


def test_a_film_is_its_body() -> None:
    people = [{"Name": "Ada", "Type": "Director"}, {"Name": None}]
    assert item_body(FILM, "films", people) == {
        "item_id": KEY, "type": "movie", "name": "Salt Harbour", "original_name": "Salzhafen", "year": 2019, "runtime_seconds": 6600.0,
        "community_rating": 7.1, "official_rating": "R", "overview": "A harbour.", "genres": ["Drama"], "tags": ["sea"],
        "studios": ["North"],
        "people": [{"name": "Ada", "kind": "director"}], "provider_ids": {"tmdb": "862", "imdb": "tt0114709"}, "library_id": "films",
        "added_at": "2026-05-01T10:00:00.123456+00:00", "images": {"primary": "a1", "backdrop": "b2"},
    }  # fmt: skip


def test_an_episode_names_its_series_and_a_season_its_number() -> None:
    episode = {"Id": KEY, "Type": "Episode", "Name": "Four", "SeriesId": "9A" * 16, "ParentIndexNumber": 1, "IndexNumber": 4}
    body = item_body(episode, "shows", [])
    assert (body["series_id"], body["season_number"], body["episode_number"]) == ("9a" * 16, 1, 4)
    assert item_body(episode | {"Type": "Season"}, "shows", [])["season_number"] == 4


@pytest.mark.parametrize(("field", "value", "name"), [
    ("ProductionYear", 0, "year"), ("CommunityRating", 11, "community_rating"), ("RunTimeTicks", 0, "runtime_seconds"),
    ("DateCreated", "0001-01-01T00:00:00.0000000Z", "added_at"), ("OfficialRating", "", "official_rating"),
])  # fmt: skip
def test_what_cannot_be_is_unknown(field: str, value: Any, name: str) -> None:
    assert item_body(FILM | {field: value}, "films", [])[name] is None


def test_a_played_film_is_a_finished_play_when_it_was_begun_and_those_before_have_no_time() -> None:
    last, *earlier = play_bodies(USER, states(PlayCount=3), n_earlier=2)
    assert (last["started_at"], last["completed"], last["percent"]) == ("2026-08-02T19:12:00+00:00", True, None)
    assert [set(play) for play in earlier] == [{"play_id", "user_id", "item_id"}] * 2
    assert len({play["play_id"] for play in (last, *earlier)}) == 3
    assert list(play_bodies(USER, states(PlayCount=3), n_earlier=0)) == [last]


def test_a_play_has_the_same_name_whatever_the_server_calls_its_data_by_now() -> None:
    [[first], [again]] = (list(play_bodies(USER, states(Key=key), n_earlier=0)) for key in ("862", DASHED))
    assert first == again


def test_what_is_watched_again_is_not_finished_by_what_was_said_of_the_time_before() -> None:
    data = {"PlaybackPositionTicks": 16_500_000_000, "PlayCount": 3}
    last, *earlier = play_bodies(USER, states(**data), n_earlier=states(**data).n_before)
    assert (last["completed"], last["percent"]) == (None, 25.0)
    assert [play.get("completed") for play in earlier] == [True, None]
    assert states(**data | {"PlayCount": 1}).n_before == 1


@pytest.mark.parametrize(("data", "percent"), [
    ({"PlaybackPositionTicks": 16_500_000_000}, 25.0), ({"PlaybackPositionTicks": 99_000_000_000}, 100.0), ({}, None),
])  # fmt: skip
def test_what_was_not_played_to_its_end_says_how_far_where_that_is_known(data: dict[str, Any], percent: float | None) -> None:
    [play] = play_bodies(USER, states(Played=False, **data), n_earlier=5)
    assert (play["completed"], play["percent"]) == (False, percent)


def test_what_nobody_began_is_no_play_and_a_series_never() -> None:
    assert list(play_bodies(USER, states(Played=False, PlayCount=0, LastPlayedDate=None), n_earlier=5)) == []
    series = state_of(FILM | {"Type": "Series", "UserData": DATA})
    assert series is not None
    assert list(play_bodies(USER, series, n_earlier=5)) == []


@pytest.mark.parametrize(("data", "found"), [
    ({"IsFavorite": False}, {}), ({}, {"favourite": True}), ({"Rating": 10, "Likes": True}, {"favourite": True, "like": True}),
    ({"Rating": 1, "Likes": False}, {"favourite": True, "dislike": True}),
    ({"Rating": 8, "Likes": True}, {"favourite": True, "like": True, "rating": 8.0}),
    ({"Rating": 11}, {"favourite": True}),
])  # fmt: skip
def test_what_was_said_is_signals(data: dict[str, Any], found: dict[str, Any]) -> None:
    assert said(states(**data)) == found


def test_a_like_that_becomes_a_dislike_is_one_signal() -> None:
    like, dislike = (signal_body(USER, KEY, kind, True) for kind in ("like", "dislike"))
    assert like["signal_id"] == dislike["signal_id"]


@pytest.mark.parametrize(("policy", "is_unlimited", "library_ids"), [
    ({}, True, None), ({"EnableAllFolders": False, "EnabledFolders": [DASHED]}, False, [KEY]), ({"MaxParentalRating": 0}, False, None),
    ({"BlockedTags": ["gore"]}, False, None), ({"BlockUnratedItems": ["Movie"]}, False, None),
    ({"BlockedMediaFolders": [KEY]}, False, None),
])  # fmt: skip
def test_a_policy_says_whether_anything_is_left_out(policy: dict[str, Any], is_unlimited: bool, library_ids: Any) -> None:
    user = user_of({"Id": DASHED, "Name": "Ada", "Policy": {"EnableAllFolders": True} | policy})
    assert (user.id, user.is_unlimited, user.body["library_ids"]) == (KEY, is_unlimited, library_ids)
    assert user.policy_digest == user_of({"Id": KEY, "Name": "Renamed", "Policy": {"EnableAllFolders": True} | policy}).policy_digest


VALUES = st.sampled_from(
    [None, True, 5, -1, 2**70, 1.5, 1e300, "", "x", "\x00", "2026-05-01", [], {}, [None], [5], [{}], {"Tmdb": 5}, {"": "x"}]
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(sorted(FILM)), VALUES), st.dictionaries(st.sampled_from(sorted(DATA)), VALUES), VALUES)
def test_whatever_a_server_says_it_is_read_or_left_out(item: dict[str, Any], data: dict[str, Any], policy: Any) -> None:
    mutated = FILM | item | {"Id": KEY, "Type": "Movie"}
    assert ITEMS.read([item_body(mutated, "films", [mutated])])[2] == []
    state = state_of(mutated | {"UserData": DATA | data})
    assert state is not None
    assert PLAYS.read(list(play_bodies(USER, state, n_earlier=5)))[2] == []
    assert SIGNALS.read([signal_body(USER, KEY, kind, value) for kind, value in said(state).items()])[2] == []
    user = user_of({"Id": KEY, "Name": item.get("Name"), "Policy": policy if isinstance(policy, dict) else {"BlockedTags": policy}})
    assert USERS.read([user.body])[2] == []


def test_a_time_is_that_of_the_server() -> None:
    assert states().last_at == datetime(2026, 8, 2, 19, 12, tzinfo=UTC)
    assert states(LastPlayedDate="2026-08-02T19:12:00").last_at is None
