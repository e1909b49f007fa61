"""GET /home: which rows there are, in which order, and what stands in each."""

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine
from app.types import Server
from tests.api.conftest import MakeKey, bearer
from tests.api.home_page import Page, ids_in, kind_of, titled, watched
from tests.api.test_taste import ago, ask, beside, place
from tests.db.household import Body, episode, film, series, signal, user

# Interests stand between the picks and the new.
ORDER = ["continue", "because-you-watched", "top-picks", "interest", "new", "popular", "hidden-gems", "watch-again"]
PERSONAL = {"because-you-watched", "top-picks", "interest", "hidden-gems"}
HOUSEHOLD = "Popular in this household"
HORROR, COMEDY, WESTERN = ([f"{letter}{number}" for number in range(12)] for letter in "hcw")
GEMS = [f"gem{number}" for number in range(6)]
SHOW = [series("show"), *(episode(f"show-{number}", "show", number, runtime_seconds=3000) for number in range(1, 6))]


@pytest.fixture
def page(client: TestClient, engine: Engine, server: Server) -> Page:
    """Ada and Bo without a play, and two films that nobody rated."""
    made = Page(client, engine, server)
    made.send("items", film("heat", runtime_seconds=6000), film("ronin", runtime_seconds=6000), *SHOW)
    made.send("users", user("ada"), user("bo"))
    return made


@pytest.fixture
def full(page: Page) -> Page:
    """Twelve films each of three genres; ada finished four horrors and four comedies long ago, the fourth horror last."""
    for axis, (names, genre) in enumerate([(HORROR, "Horror"), (COMEDY, "Comedy"), (WESTERN, "Western")]):
        usual: Body = {"genres": [genre], "library_id": genre, "community_rating": 6.5, "vote_count": 9000}
        page.send("items", *(titled(name, added_at=ago(400 + 10 * n + axis), **usual) for n, name in enumerate(names)))
    gems = [titled(name, community_rating=7.5, vote_count=80) for name in GEMS]
    page.send("items", *gems, titled("famous", community_rating=9.0, vote_count=10**6))
    placed = (HORROR, COMEDY, WESTERN, [*GEMS, "famous"])
    place(page.engine, page.server, {name: beside(axis, n) for axis, names in enumerate(placed) for n, name in enumerate(names)})
    page.send("plays", *(watched(name, 230 - 2 * n) for names in (COMEDY, HORROR) for n, name in enumerate(names[:4])))
    page.send("plays", watched(HORROR[3], 200))
    page.refresh()
    return page


@pytest.mark.parametrize("user_id", ["mara", "okafors", "jonas", "ines"])
@pytest.mark.parametrize("limit", [1, 12, 50])
def test_rows_come_in_the_order_of_the_contract_and_no_item_comes_twice(
    client: TestClient, demo_server: Server, user_id: str, limit: int
) -> None:
    rows = ask(client, demo_server, "/home", user_id=user_id, limit=limit)["rows"]
    places = [ORDER.index(kind_of(row["id"])) for row in rows]
    assert places == sorted(places)
    assert len({row["id"] for row in rows}) == len(rows)
    ids = [item_id for row in rows for item_id in ids_in(row)]
    assert len(ids) == len(set(ids))
    for row in rows:
        assert set(row) == {"id", "title", "items"}
        assert row["title"]
        assert [item["rank"] for item in row["items"]] == list(range(1, len(row["items"]) + 1))
        assert 1 <= len(row["items"]) <= limit
        assert all(item["reason"] for item in row["items"])


def test_whoever_has_something_for_each_row_gets_each_row(full: Page) -> None:
    full.send("plays", watched("heat", 1, percent=40))
    rows = full.rows(limit=2)
    assert [kind_of(name) for name in rows] == [*ORDER[:3], "interest", *ORDER[3:]]
    assert all(1 <= len(row["items"]) <= 2 for row in rows.values())


def test_no_title_comes_twice_under_the_id_of_another_version(full: Page) -> None:
    known: Body = {"year": 1999, "library_id": "Horror"}
    full.send("items", *(film(f"{name}{version}", f"{name} film", **known) for name in HORROR for version in ("", "-4k")))
    titles = [item_id.removesuffix("-4k") for row in full.rows(limit=12).values() for item_id in ids_in(row)]
    assert len(titles) == len(set(titles))


def test_what_is_in_progress_can_be_gone_on_with_newest_first(page: Page) -> None:
    page.send("plays", watched("heat", 3, percent=40), watched("show-1", 2), watched("show-2", 1.9), watched("ronin", 1, percent=75))
    assert page.ids("continue") == ["ronin", "show", "heat"]
    assert page.ids("continue", limit=1) == ["ronin"]
    assert {item["reason"] for item in page.rows()["continue"]["items"]} == {"You began this"}
    assert page.ids("continue", user_id="bo") == []


NOTHING_TO_GO_ON_WITH = {
    "finished": [watched("heat", 2, percent=95)],
    "gone on with and finished": [watched("heat", 2, percent=40), watched("heat", 1, percent=97) | {"play_id": "again"}],
    "every episode finished": [watched(f"show-{number}", 6 - number) for number in range(1, 6)],
    "marked watched": [watched("heat", 2, percent=40), signal("ada", "heat", "watched")],
    "hidden": [watched("heat", 2, percent=40), signal("ada", "heat", "hide")],
    "disliked": [watched("heat", 2, percent=40), signal("ada", "heat", "dislike")],
    "marked unwatched": [watched("heat", 2, percent=40), signal("ada", "heat", "unwatched")],
    "broken off a month ago": [watched("heat", 30, percent=3)],
    "left alone for a year": [watched("heat", 365, percent=40), watched("show-1", 365)],
    "on the watch-list": [signal("ada", "heat", "watchlist"), signal("ada", "show", "watchlist")],
}


@pytest.mark.parametrize("said", NOTHING_TO_GO_ON_WITH.values(), ids=NOTHING_TO_GO_ON_WITH.keys())
def test_what_is_done_with_is_not_gone_on_with(page: Page, said: Sequence[Body]) -> None:
    page.send("plays", *(one for one in said if "play_id" in one))
    page.send("signals", *(one for one in said if "kind" in one))
    assert page.ids("continue") == []


def test_a_film_begun_yesterday_is_in_progress_however_little_was_seen(page: Page) -> None:
    page.send("plays", watched("heat", 1, percent=3))
    assert page.ids("continue") == ["heat"]


def test_a_new_episode_brings_a_finished_series_back(page: Page) -> None:
    page.send("plays", *(watched(f"show-{number}", 20 - number) for number in range(1, 6)))
    assert page.ids("continue") == []
    page.send("items", episode("show-special", "show", 1, season_number=0))
    assert page.ids("continue") == []
    page.send("items", episode("show-6", "show", 6))
    assert page.ids("continue") == ["show"]
    page.send("plays", watched("show-6", 0.5))
    assert page.ids("continue") == []


def test_a_new_season_brings_a_series_back_that_was_finished_a_year_ago(page: Page) -> None:
    page.send("plays", *(watched(f"show-{number}", 370 - number) for number in range(1, 6)))
    page.send("items", episode("show-6", "show", 1, season_number=2, added_at=ago(1)))
    assert page.ids("continue") == ["show"]


def test_because_names_the_title_that_weighs_most(full: Page) -> None:
    row = full.rows()["because-you-watched"]
    assert row["title"] == f"Because you watched {HORROR[3]} film"
    assert set(ids_in(row)[:8]) == set(HORROR[4:])


def test_because_never_names_what_is_hidden_gone_or_closed(full: Page) -> None:
    full.send("signals", signal("ada", HORROR[3], "hide"))
    hidden = full.titles()["because-you-watched"]
    full.send("users", user("ada", library_ids=["Comedy", "Western"]))
    closed = full.titles()["because-you-watched"]
    with full.engine.begin() as connection:
        sql = "UPDATE entries SET deleted_at = now() WHERE server_id = :server_id AND external_id = :gone"
        connection.execute(text(sql), {"server_id": full.server.id, "gone": COMEDY[3]})
    gone = full.titles()["because-you-watched"]
    named = [title.removeprefix("Because you watched ").removesuffix(" film") for title in (hidden, closed, gone)]
    assert named[0] in {HORROR[2], COMEDY[3]}
    assert named[1:] == [COMEDY[3], COMEDY[2]]


def test_because_never_names_what_is_only_on_the_watch_list(full: Page) -> None:
    full.send("signals", *(signal("ada", name, kind) for name in WESTERN[:3] for kind in ("watchlist", "favourite")))
    assert full.titles()["because-you-watched"] == f"Because you watched {HORROR[3]} film"


def test_because_names_the_next_title_while_the_heaviest_has_no_vector(full: Page) -> None:
    full.send("items", film("brand-new"))
    full.send("plays", watched("brand-new", 0.5))
    assert full.titles().get("because-you-watched") == f"Because you watched {HORROR[3]} film"


def test_interests_have_names_of_their_own(full: Page) -> None:
    rows = [row for name, row in full.rows(limit=2).items() if kind_of(name) == "interest"]
    assert {row["title"] for row in rows} == {"Horror", "Comedy"}
    for row in rows:
        assert {item["genres"][0] for item in row["items"]} == {row["title"]}


def test_new_is_newest_first_by_the_date_of_the_media_server(page: Page) -> None:
    days = {"a": 40, "b": 3, "c": 700, "d": 0.1}
    page.send("items", *(film(name, added_at=ago(one)) for name, one in days.items()))
    page.send("plays", watched("d", 0.01))
    assert page.ids("new") == ["b", "a", "c"]
    assert page.ids("new", limit=2) == ["b", "a"]


def test_popular_speaks_of_the_household_only_where_somebody_else_watched_one_of_its_titles(page: Page) -> None:
    page.send("items", film("rated", community_rating=8.0, vote_count=10))
    assert page.titles()["popular"] == "Well rated"
    page.send("plays", watched("heat", 2))
    assert page.titles()["popular"] == "Well rated"
    page.send("users", user("cy", opted_out=True), user("gone"))
    page.send("plays", watched("ronin", 2, user_id="cy"), watched("ronin", 2, user_id="gone"), watched("heat", 2, user_id="bo"))
    assert page.client.delete("/users/gone", params={"server_id": page.server.external_id}).is_success
    assert page.titles()["popular"] == "Well rated"  # Bo watched what ada has seen, and does not stand here
    page.send("plays", watched("ronin", 2, user_id="bo"))
    page.refresh()
    row = page.rows()["popular"]
    assert (row["title"], ids_in(row)[0], row["items"][0]["reason"]) == (HOUSEHOLD, "ronin", "Watched in this household")


def test_popular_is_not_called_well_rated_where_nothing_is(page: Page) -> None:
    page.send("items", film("bad", community_rating=2.0, vote_count=50))
    assert page.titles()["popular"] != "Well rated"


def test_hidden_gems_are_well_rated_by_few(full: Page) -> None:
    full.send(
        "items", titled("unknown"), titled("praised", community_rating=8.0), titled("middling", community_rating=6.9, vote_count=50),
        titled("second", community_rating=7.0, vote_count=1000), titled("many", community_rating=8.0, vote_count=1001),
    )  # fmt: skip
    found = {limit: full.ids("hidden-gems", limit=limit) for limit in (1, 2, 3)}
    assert all(len(ids) == limit for limit, ids in found.items()), found
    assert {one for ids in found.values() for one in ids} <= {*GEMS, "second"}


def test_hidden_gems_follow_the_taste_of_this_moment(full: Page) -> None:
    full.send("plays", *(watched(name, 2, user_id="bo") for name in WESTERN[:5]))
    found = full.ids("hidden-gems", "bo", limit=1)
    full.refresh()
    assert found == full.ids("hidden-gems", "bo", limit=1)


def test_watch_again_is_what_was_finished_and_liked_long_ago(page: Page) -> None:
    names = ["liked", "favourite", "rated-well", "rated-badly", "half", "lately", "hidden", "disliked", "closed"]
    page.send("items", *(film(name, runtime_seconds=6000) for name in names))
    ages = dict.fromkeys(names, 200.0) | {"lately": 170.0}
    page.send("plays", *(watched(name, days, percent=50 if name == "half" else 100) for name, days in ages.items()))
    page.send(
        "signals", signal("ada", "favourite", "favourite"), signal("ada", "rated-well", "rating", 8.0),
        signal("ada", "rated-badly", "rating", 4.0), signal("ada", "hidden", "hide"), signal("ada", "disliked", "dislike"),
    )  # fmt: skip
    page.send("items", film("closed", tags=["closed"]))
    page.send("users", user("ada", blocked_tags=["closed"]))
    row = page.rows()["watch-again"]
    assert ids_in(row)[0] == "favourite"
    assert set(ids_in(row)) == {"liked", "favourite", "rated-well"}
    assert {item["reason"] for item in row["items"]} == {"You watched this"}


def test_who_has_no_plays_still_gets_what_is_new_and_popular(full: Page) -> None:
    assert set(full.rows("bo", limit=5)) == {"new", "popular"}
    assert len(full.ids("new", "bo", limit=5)) == len(full.ids("popular", "bo", limit=5)) == 5


def test_who_opted_out_gets_nothing_that_is_made_of_a_taste(full: Page) -> None:
    full.send("users", user("ada", opted_out=True))
    rows = full.rows(limit=5)
    assert {"new", "popular"} <= set(rows)
    assert not PERSONAL & {kind_of(name) for name in rows}
    assert not set(HORROR[:4] + COMEDY[:4]) & {one for name, row in rows.items() if name != "watch-again" for one in ids_in(row)}


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"user_id": "nobody"}, 404), ({"user_id": "gone"}, 403), ({}, 422), ({"user_id": "a\x00"}, 422), ({"user_id": ""}, 422),
        ({"user_id": "ada", "limit": 0}, 422), ({"user_id": "ada", "limit": 51}, 422), ({"user_id": "ada", "server_id": "nowhere"}, 404),
    ],
)  # fmt: skip
def test_bad_questions_get_a_problem_that_says_why(page: Page, parameters: dict[str, Any], status: int) -> None:
    page.send("users", user("gone", is_disabled=True))
    answer = page.client.get("/home", params={"server_id": page.server.external_id, **parameters})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_the_key_of_another_server_sees_no_home(page: Page, demo_server: Server, make_key: MakeKey) -> None:
    where = {"server_id": page.server.external_id, "user_id": "ada"}
    assert page.client.get("/home", params=where, headers=bearer(make_key(("read",), demo_server))).status_code == 404
    assert page.client.get("/home", params=where, headers=bearer(make_key(("read",), page.server))).status_code == 200
