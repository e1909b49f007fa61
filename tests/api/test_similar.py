"""GET /items/{item_id}/similar: more like one title, over the demo household and a library of the test's own."""

from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine
from app.types import Server
from tests.api.conftest import MakeKey, bearer
from tests.api.rows import send
from tests.api.test_taste import ago, ask, beside, place
from tests.db.household import Body, episode, film, play, series, signal, user

ALL = [f"h{number}" for number in range(8)] + [f"c{number}" for number in range(8)] + ["show"]


def similar(client: TestClient, server: Server, item_id: str, user_id: str | None = None, limit: int = 20) -> list[Any]:
    about = {} if user_id is None else {"user_id": user_id}
    return list(ask(client, server, f"/items/{quote(item_id, safe='')}/similar", limit=limit, **about)["items"])


def ids(items: list[Any]) -> list[str]:
    return [item["item_id"] for item in items]


def status(client: TestClient, server: Server, item_id: str, **parameters: Any) -> int:
    answer = client.get(f"/items/{quote(item_id, safe='')}/similar", params={"server_id": server.external_id, **parameters})
    assert answer.status_code == 200 or answer.json()["detail"], answer.text
    return answer.status_code


@pytest.fixture
def library(client: TestClient, engine: Engine, server: Server) -> Server:
    """Eight horrors and eight comedies, each kind alike, each film in a library of its own; a series of two episodes; for ada and bo."""
    films = [film(name, library_id=name) for name in ALL if name != "show"]
    send(client, server, "items", [*films, series("show"), *(episode(f"show-{number}", "show", number) for number in (1, 2))])
    send(client, server, "users", [user("ada"), user("bo")])
    place(engine, server, {name: beside("hcs".index(name[0]), number) for number, name in enumerate(ALL)})
    return server


NEIGHBOURS = {
    "film-alien-1979": "film-aliens-1986",
    "film-toy-story-1995": "film-toy-story-2-1999",
    "film-seven-samurai-1954": "film-rashomon-1950",
    "series-better-call-saul-2015": "series-breaking-bad-2008",
}


@pytest.mark.parametrize(("item_id", "neighbour"), NEIGHBOURS.items())
def test_neighbours_in_meaning_come_first(client: TestClient, demo_server: Server, item_id: str, neighbour: str) -> None:
    items = similar(client, demo_server, item_id, limit=5)
    assert neighbour in ids(items)[:3]
    assert {tuple(item["sources"]) for item in items} == {("text",)}


def test_the_answer_has_the_fields_of_a_recommendation(client: TestClient, demo_server: Server) -> None:
    items = similar(client, demo_server, "film-alien-1979", limit=5)
    about = {"server_id": "demo", "user_id": "mara", "limit": 1}
    [recommended] = client.get("/recommendations", params=about).json()["items"]
    assert all(set(item) == set(recommended) for item in items)
    assert [item["rank"] for item in items] == [1, 2, 3, 4, 5]
    scores = [item["score"] for item in items]
    assert scores == sorted(scores, reverse=True)
    assert {item["reason"] for item in items} == {"Like Alien"}


def test_the_nearest_come_first_by_their_vectors(client: TestClient, library: Server) -> None:
    items = similar(client, library, "h0", limit=100)
    vectors = {name: np.array(beside("hcs".index(name[0]), number)) for number, name in enumerate(ALL)}
    closeness = [float(vectors[one] @ vectors["h0"] / np.linalg.norm(vectors[one])) for one in ids(items)]
    assert set(ids(items)[:7]) == {f"h{number}" for number in range(1, 8)}
    assert closeness == sorted(closeness, reverse=True)


def test_what_is_called_like_a_title_is_not_its_opposite(client: TestClient, engine: Engine, server: Server) -> None:
    send(client, server, "items", [film("heat"), film("ronin"), film("barbie")])
    place(engine, server, {"heat": [1, 0.1], "ronin": [1, -0.1], "barbie": [-1, 0]})
    assert [item["item_id"] for item in similar(client, server, "heat") if item["reason"] == "Like Film heat"] == ["ronin"]


def test_an_episode_stands_for_its_series(client: TestClient, demo_server: Server) -> None:
    of_series = similar(client, demo_server, "series-dark-2017")
    assert of_series
    assert similar(client, demo_server, "series-dark-2017-s02e03") == of_series
    assert {item["reason"] for item in of_series} == {"Like Dark"}


def test_without_a_user_nothing_is_left_out_but_the_title_itself(client: TestClient, library: Server) -> None:
    send(client, library, "plays", [play("ada", "h1")])
    send(client, library, "signals", [signal("ada", "h2", "hide")])
    assert set(ids(similar(client, library, "h0"))) == set(ALL) - {"h0"}


def test_for_a_user_what_is_seen_hidden_disliked_or_closed_is_left_out(client: TestClient, library: Server) -> None:
    send(client, library, "plays", [play("ada", "h1"), play("ada", "h2", percent=30), play("ada", "show-1")])
    send(client, library, "signals", [signal("ada", "h3", "hide"), signal("ada", "h4", "dislike"), signal("ada", "h5", "watched")])
    send(client, library, "users", [user("ada", library_ids=[name for name in ALL if name != "h6"])])
    gone = {"h0", "h1", "h2", "h3", "h4", "h5", "h6", "show"}
    assert set(ids(similar(client, library, "h0", "ada"))) == set(ALL) - gone
    assert set(ids(similar(client, library, "h0", "bo"))) == set(ALL) - {"h0"}


def test_who_saw_a_title_may_still_ask_what_is_like_it(client: TestClient, library: Server) -> None:
    send(client, library, "plays", [play("ada", "h0")])
    assert ids(similar(client, library, "h0", "ada"))[0].startswith("h")


def test_about_what_is_hidden_or_closed_there_is_no_answer(client: TestClient, library: Server) -> None:
    send(client, library, "signals", [signal("ada", "h1", "hide"), signal("ada", "show-1", "hide")])
    send(client, library, "users", [user("ada", library_ids=["h0", "h1"])])
    asked = ("h0", "h1", "h2", "show", "show-2")
    assert {item_id: status(client, library, item_id, user_id="ada") for item_id in asked} == {
        "h0": 200, "h1": 404, "h2": 404, "show": 404, "show-2": 404,
    }  # fmt: skip
    assert {status(client, library, item_id, user_id="bo") for item_id in asked} == {200}


def test_a_closed_title_is_as_unknown_as_one_that_is_not_there(client: TestClient, library: Server) -> None:
    send(client, library, "users", [user("ada", library_ids=["h0"])])
    answers = [client.get(f"/items/{name}/similar", params={"server_id": library.external_id, "user_id": "ada"}) for name in ("h1", "none")]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_a_title_is_never_like_itself_under_the_id_of_another_version(client: TestClient, library: Server) -> None:
    versions = [film(name, "Twice", library_id=name, provider_ids={"tmdb": "7"}) for name in ("h0", "uhd", "dvd")]
    send(client, library, "items", versions)
    send(client, library, "users", [user("ada", library_ids=["h1", "h2", "uhd"])])
    for asked in ("h0", "uhd", "dvd"):
        assert not {"h0", "uhd", "dvd"} & set(ids(similar(client, library, asked)))
    assert set(ids(similar(client, library, "uhd", "ada"))) == {"h1", "h2"}


def test_what_is_gone_is_neither_asked_about_nor_answered(client: TestClient, engine: Engine, library: Server) -> None:
    with engine.begin() as connection:
        values = {"server_id": library.id}
        gone = "server_id = :server_id AND external_id = 'h1'"
        connection.execute(text(f"UPDATE items SET is_available = false WHERE id = (SELECT item_id FROM entries WHERE {gone})"), values)
        connection.execute(text(f"UPDATE entries SET deleted_at = now() WHERE {gone}"), values)
    assert status(client, library, "h1") == 404
    assert "h1" not in ids(similar(client, library, "h0"))


def test_for_a_title_without_a_vector_popular_ones_come_with_reasons_that_are_true(client: TestClient, library: Server) -> None:
    rated: Body = {"library_id": "h7", "community_rating": 8.25}
    send(client, library, "items", [film("late"), film("h7", **rated), film("c7", library_id="c7", added_at=ago(2))])
    send(client, library, "plays", [play("bo", "h1"), play("ada", "h1"), play("bo", "h2"), play("ada", "h3", started_at=ago(300))])
    reasons = {item["item_id"]: (item["reason"], item["sources"]) for item in similar(client, library, "late")}
    assert set(reasons) == set(ALL)
    assert reasons["h1"] == ("Watched by 2 others in this household", ["popular"])
    assert reasons["h2"] == reasons["h3"] == ("Watched in this household", ["popular"])
    assert reasons["h7"] == ("Well rated (8.2 of 10)", ["popular"])
    assert reasons["c7"] == ("New in your library", ["new"])
    assert reasons["c0"] == ("In your library", ["new"])
    of_ada = {item["item_id"]: item["reason"] for item in similar(client, library, "late", "ada")}
    assert set(of_ada) == set(ALL) - {"h1", "h3"}
    assert of_ada["h2"] == "Watched in this household"


def test_a_title_without_a_vector_is_never_called_alike(client: TestClient, library: Server) -> None:
    send(client, library, "items", [film("late")])
    [late] = [item for item in similar(client, library, "h0", limit=100) if item["item_id"] == "late"]
    assert (late["reason"], late["sources"], late["rank"]) == ("In your library", ["popular"], len(ALL))


def test_a_list_is_as_long_as_was_asked_for_while_there_are_titles(client: TestClient, library: Server) -> None:
    everything = ids(similar(client, library, "h0", limit=100))
    assert len(everything) == len(ALL) - 1
    for limit in (1, 7, 16):
        assert ids(similar(client, library, "h0", limit=limit)) == everything[:limit]
    assert [status(client, library, "h0", limit=limit) for limit in (0, 101, -1, 10**30, "many")] == [422] * 5


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [("none", 404), ("a\x00b", 422), ("x" * 256, 404), ("x" * 257, 422), ("ünïcödé ☕ %", 200), ("'; DROP TABLE items; --", 404)],
)
def test_ids_of_any_kind_are_taken_as_they_are(client: TestClient, library: Server, item_id: str, expected: int) -> None:
    send(client, library, "items", [film("ünïcödé ☕ %")])
    assert status(client, library, item_id) == expected


def test_an_id_may_hold_a_slash(client: TestClient, library: Server) -> None:
    send(client, library, "items", [film("plex://movie/5d7768244de0ee001fcc7fed")])
    assert status(client, library, "plex://movie/5d7768244de0ee001fcc7fed") == 200


@pytest.mark.parametrize(("user_id", "expected"), [("nobody", 404), ("gone", 403), ("", 422), ("a\x00", 422), ("x" * 257, 422)])
def test_a_user_who_is_unknown_or_disabled_gets_a_problem(client: TestClient, library: Server, user_id: str, expected: int) -> None:
    send(client, library, "users", [user("gone", is_disabled=True)])
    assert status(client, library, "h0", user_id=user_id) == expected


def test_the_key_of_another_server_learns_nothing(client: TestClient, library: Server, demo_server: Server, make_key: MakeKey) -> None:
    where = {"server_id": library.external_id}
    assert client.get("/items/h0/similar", params=where, headers=bearer(make_key(("read",), demo_server))).status_code == 404
