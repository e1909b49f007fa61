"""What a Plex says of items and of its owner's viewing, as bodies of the API: whatever it says, they can be read."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.connect.bodies import ITEMS, PLAYS, SIGNALS
from app.connect.plex_items import is_item, item_body, state_of, viewing_of
from app.connect.states import play_bodies, said, signal_body

FILM: dict[str, Any] = {
    "ratingKey": "501", "type": "movie", "title": "Salt Harbour", "originalTitle": "Salzhafen", "year": 2019, "duration": 6_600_999,
    "contentRating": "R", "summary": "A harbour.", "audienceRating": 7.1, "rating": 3.8, "studio": "North", "addedAt": 1_777_629_600,
    "guid": "plex://movie/5d77", "Guid": [{"id": "tmdb://862"}, {"id": "imdb://tt0114709"}], "Genre": [{"tag": "Drama"}],
    "Label": [{"tag": "sea"}], "Director": [{"tag": "Ada"}], "Role": [{"tag": "Ben"}], "thumb": "/library/metadata/501/thumb/1",
    "viewCount": 2, "viewOffset": 1_650_000, "lastViewedAt": 1_777_629_600, "userRating": 8.0, "index": 1, "parentIndex": 1,
}  # fmt: skip
SEEN_AT = datetime(2026, 5, 1, 10, tzinfo=UTC)


def test_a_film_is_its_body() -> None:
    assert item_body(FILM, "1") == {
        "item_id": "501", "type": "movie", "name": "Salt Harbour", "original_name": "Salzhafen", "year": 2019, "runtime_seconds": 6600.0,
        "community_rating": 7.1, "official_rating": "R", "overview": "A harbour.", "genres": ["Drama"], "tags": ["sea"],
        "studios": ["North"], "people": [{"name": "Ada", "kind": "director"}, {"name": "Ben", "kind": "actor"}],
        "provider_ids": {"tmdb": "862", "imdb": "tt0114709"}, "library_id": "1", "added_at": SEEN_AT.isoformat(),
        "images": {"primary": "/library/metadata/501/thumb/1"},
    }  # fmt: skip


@pytest.mark.parametrize(("guid", "found"), [
    ("com.plexapp.agents.imdb://tt0072684?lang=en", {"imdb": "tt0072684"}),
    ("com.plexapp.agents.themoviedb://603?lang=en", {"tmdb": "603"}),
    ("com.plexapp.agents.thetvdb://73871/2/15?lang=en", {"tvdb": "73871"}), ("plex://movie/5d77", {}), ("local://501", {}), (5, {}),
])  # fmt: skip
def test_the_one_id_of_older_agents_is_read(guid: Any, found: dict[str, str]) -> None:
    assert item_body(FILM | {"Guid": [], "guid": guid}, "1")["provider_ids"] == found


def test_what_is_left_in_the_middle_says_how_far_and_keeps_its_name_while_it_goes_on() -> None:
    now, later = (state_of(FILM | {"viewOffset": offset, "lastViewedAt": 1_777_629_600 + offset}) for offset in (1_650_000, 1_700_000))
    assert now.percent is not None
    assert round(now.percent) == 25
    names = {play["play_id"] for state in (now, later) for play in play_bodies("1", state, n_earlier=0)}
    assert len(names) == 1
    assert said(now) == {"rating": 8.0}


def test_a_viewing_is_a_finished_play_and_one_of_something_gone_is_none() -> None:
    row = {"historyKey": "/status/sessions/history/9", "ratingKey": "501", "type": "movie", "accountID": 2, "viewedAt": 1_777_629_600}
    state = viewing_of(row, is_shown=False)
    assert state is not None
    [play] = play_bodies("2", state, n_earlier=state.n_plays - 1)
    assert (play["item_id"], play["started_at"], play["completed"]) == ("501", SEEN_AT.isoformat(), True)
    for change in ({"ratingKey": None}, {"type": "track"}, {"viewedAt": None}, {"viewedAt": "yesterday"}):
        assert viewing_of(row | change, is_shown=False) is None


VALUES = st.sampled_from(
    [
        None,
        True,
        5,
        -1,
        2**70,
        1.5,
        1e300,
        "",
        "x",
        "\x00",
        "season",
        "9" * 30,
        [],
        {},
        [None],
        [5],
        [{}],
        [{"tag": 5}],
        [{"id": "tmdb://"}],
    ]
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(sorted(FILM)), VALUES))
def test_whatever_a_server_says_it_is_read_or_left_out(change: dict[str, Any]) -> None:
    item = FILM | change
    if not is_item(item):
        return
    assert ITEMS.read([item_body(item, "1")])[2] == []
    state = state_of(item)
    assert PLAYS.read(list(play_bodies("1", state, n_earlier=3)))[2] == []
    assert SIGNALS.read([signal_body("1", state.item_id, kind, value) for kind, value in said(state).items()])[2] == []
