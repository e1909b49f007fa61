"""GET /search: by title, by meaning, and both together. The text model is loaded once for this file."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.connect.demo.household import demo_item_bodies
from app.db import Engine, spaces
from app.db.servers import put_server
from app.main import create_app
from app.settings import Settings
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_tastes
from tests.api.conftest import MakeKey, bearer
from tests.api.rows import send
from tests.api.test_taste import ask
from tests.db.household import Body, film, play, signal, user

LOADS_WITHIN_SECONDS = 60
CREATURE = "a spaceship crew hunted by a creature"
NAMES: dict[str, Body] = {
    "Heat": {}, "Heat Wave": {}, "Body Heat": {}, "The Theatre": {}, "The Dark Knight": {}, "100% Wolf": {}, "Ex_Machina": {},
    "C:\\Temp": {}, "Amélie": {"original_name": "Le Fabuleux Destin d'Amélie Poulain"}, "LES MISÉRABLES": {}, "Oθello ΟΔΟΣ": {},
    "🎬 Take Two": {}, "Face/Off": {}, "Ran": {"original_name": "乱"}, "Rango": {}, "Spirited Away": {"original_name": "千と千尋の神隠し"},
}  # fmt: skip


def search(client: TestClient, server: Server, q: str, **parameters: Any) -> Any:
    return ask(client, server, "/search", q=q, **parameters)


def names(answer: Any) -> list[str]:
    return [item["name"] for item in answer["items"]]


def by_title(answer: Any) -> list[str]:
    return [item["name"] for item in answer["items"] if "title" in item["sources"]]


@pytest.fixture(scope="module")
def searcher(settings: Settings, demo_server: Server, admin_key: str) -> Iterator[TestClient]:
    """A service that nobody searched with before."""
    with TestClient(create_app(settings), headers=bearer(admin_key), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def first_answer(searcher: TestClient, demo_server: Server) -> Any:
    return search(searcher, demo_server, "body heat")


@pytest.fixture(scope="module")
def loaded(searcher: TestClient, demo_server: Server, first_answer: Any) -> TestClient:
    """The same service once its text model answers."""
    ends_at = time.monotonic() + LOADS_WITHIN_SECONDS
    while search(searcher, demo_server, "anything")["degraded"]:
        assert time.monotonic() < ends_at, "the text model did not load"
        time.sleep(0.2)
    return searcher


@pytest.fixture(scope="module")
def cinema(engine: Engine, demo_server: Server, loaded: TestClient) -> Server:
    """The titles of the demo household, with their vectors, and nobody who watches: each test has a user of its own."""
    with engine.begin() as connection:
        server, _ = put_server(connection, "cinema", "Cinema", "api", {})
    send(loaded, server, "items", demo_item_bodies())
    sql = "SELECT d.item_id, e.item_id FROM entries d JOIN entries e USING (external_id) WHERE d.server_id = :demo AND e.server_id = :here"
    with engine.begin() as connection:
        here: dict[int, int] = dict(connection.execute(text(sql), {"demo": demo_server.id, "here": server.id}).all())
        demo = spaces.live_space(connection, demo_server.id, "text")
        assert demo is not None
        rows = spaces.read_vectors(connection, demo)
        space = spaces.create_space(connection, server.id, "text", demo.model_name, demo.model_digest, 1, demo.dimension, len(rows))
        spaces.set_centre(connection, space, np.array(demo.centre, dtype=np.float32), "items")
        item_ids = np.array([here[item_id] for item_id in rows["item_id"]], dtype=np.int64)
        spaces.write_vectors(connection, space, item_ids, rows["target"].astype(np.float32), rows["norm"], rows["text_digest"])
        spaces.go_live(connection, space, datetime.now(UTC))
    refresh_tastes(engine, server.id, datetime.now(UTC), unseen)
    return server


@pytest.fixture(scope="module")
def shelf(engine: Engine, loaded: TestClient) -> Server:
    """Titles without a text space."""
    with engine.begin() as connection:
        server, _ = put_server(connection, "shelf", "Shelf", "api", {})
    send(loaded, server, "items", [film(f"film {number}", name, **more) for number, (name, more) in enumerate(NAMES.items())])
    return server


def test_while_the_text_model_loads_titles_are_found_and_the_answer_says_so(first_answer: Any) -> None:
    assert first_answer["degraded"] == ["no_query_vector"]
    assert names(first_answer) == ["Body Heat"]
    assert first_answer["items"][0]["sources"] == ["title"]


def test_without_a_text_space_titles_are_found_and_the_answer_says_so(client: TestClient, shelf: Server) -> None:
    answer = search(client, shelf, "amelie")
    assert (names(answer), answer["degraded"]) == (["Amélie"], ["no_text_space"])
    assert search(client, shelf, "nothing of that name")["items"] == []


def test_the_answer_has_the_fields_of_a_recommendation(loaded: TestClient, demo_server: Server) -> None:
    answer = search(loaded, demo_server, CREATURE, limit=5)
    [recommended] = ask(loaded, demo_server, "/recommendations", user_id="mara", limit=1)["items"]
    assert answer["degraded"] == []
    assert all(set(item) == set(recommended) for item in answer["items"])
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("q", "name"), [(CREATURE, "Alien"), ("a shark terrorises a beach town", "Jaws"), ("toys that come alive", "Toy Story")]
)
def test_once_the_text_model_is_there_titles_are_found_by_what_they_are_about(
    loaded: TestClient, demo_server: Server, q: str, name: str
) -> None:
    answer = search(loaded, demo_server, q, limit=3)
    assert answer["degraded"] == []
    [found] = [item for item in answer["items"] if item["name"] == name]
    assert (found["sources"], found["reason"]) == (["text"], "Fits what you describe")


def test_the_name_of_a_title_finds_it_first(loaded: TestClient, demo_server: Server) -> None:
    for body in demo_item_bodies()[::8]:
        first = search(loaded, demo_server, body["name"], limit=3)["items"][0]
        assert (first["name"], first["reason"]) == (body["name"], "Fits by its title")
        assert "title" in first["sources"]


@pytest.mark.parametrize("q", ["ali", "war", "man", "ran"])
def test_a_title_that_matches_stands_before_every_one_that_only_means_the_same(loaded: TestClient, demo_server: Server, q: str) -> None:
    found = ["title" in item["sources"] for item in search(loaded, demo_server, q)["items"]]
    assert found == sorted(found, reverse=True)


def test_a_title_that_has_no_vector_yet_is_found_first_by_its_name(loaded: TestClient, cinema: Server) -> None:
    send(loaded, cinema, "items", [film("late", "Zugzwang")])
    assert names(search(loaded, cinema, "zugzwang"))[0] == "Zugzwang"


TITLES = {
    "heat": ["Heat", "Heat Wave", "Body Heat", "The Theatre"],
    "HEAT WAVE": ["Heat Wave"],
    "  heat \t wave ": ["Heat Wave"],
    "wave heat": ["Heat Wave"],
    "knight the dark": ["The Dark Knight"],
    "kni dar": ["The Dark Knight"],
    "ody": ["Body Heat"],
    "amelie": ["Amélie"],
    "AMÉLIE": ["Amélie"],
    "ame\u0301lie": ["Amélie"],
    "fabuleux": ["Amélie"],
    "poulain amelie": ["Amélie"],
    "les misérables": ["LES MISÉRABLES"],
    "miserables": ["LES MISÉRABLES"],
    "千と": ["Spirited Away"],
    "🎬": ["🎬 Take Two"],
    "%": ["100% Wolf"],
    "100%": ["100% Wolf"],
    "1%f": [],
    "_": ["Ex_Machina"],
    "h_at": [],
    "\\": ["C:\\Temp"],
    "c:\\t": ["C:\\Temp"],
    "'; DROP TABLE items; --": [],
    "heat nothing": [],
}


@pytest.mark.parametrize(("q", "expected"), TITLES.items())
def test_words_of_a_name_find_it(client: TestClient, shelf: Server, q: str, expected: list[str]) -> None:
    answer = search(client, shelf, q)
    assert names(answer) == expected
    assert {item["reason"] for item in answer["items"]} <= {"Fits by its title"}


def test_a_title_with_an_original_name_is_found_by_its_whole_name(client: TestClient, shelf: Server) -> None:
    assert names(search(client, shelf, "ran")) == ["Ran", "Rango"]


@pytest.mark.xfail(strict=True)
@pytest.mark.parametrize(
    ("q", "expected"),
    [
        pytest.param("/", ["Face/Off"], id="what stands between a name and its original is part of neither"),
        pytest.param("οδος", ["Oθello ΟΔΟΣ"], id="PostgreSQL knows one small sigma, Python two"),
    ],
)
def test_words_of_a_name_should_find_it(client: TestClient, shelf: Server, q: str, expected: list[str]) -> None:
    assert names(search(client, shelf, q)) == expected


@pytest.mark.parametrize("q", [" ", "\t\n", "\u00a0", "\u0301", "´"])
def test_a_question_without_a_word_finds_nothing(client: TestClient, shelf: Server, q: str) -> None:
    answer = client.get("/search", params={"server_id": shelf.external_id, "q": q})
    assert answer.status_code == 422 or answer.json()["items"] == []


@pytest.mark.parametrize("q", ["x" * 500, "é" * 500, "a " * 250, "🎬" * 500, "%" * 500, "\\" * 500, "\ud800", "Ⅷ ﬁ İ ß"])
def test_odd_questions_are_answered(loaded: TestClient, cinema: Server, shelf: Server, q: str) -> None:
    for server in (cinema, shelf):
        answer = loaded.get(f"/search?server_id={server.external_id}&q={quote(q, errors='surrogatepass')}")
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 422), ({"q": ""}, 422), ({"q": "x" * 501}, 422), ({"q": "a\x00b"}, 422), ({"q": "a", "limit": 0}, 422),
        ({"q": "a", "limit": 101}, 422), ({"q": "a", "user_id": "nobody"}, 404), ({"q": "a", "user_id": "gone"}, 403),
        ({"q": "a", "user_id": ""}, 422), ({"q": "a", "server_id": "nowhere"}, 404), ({"q": "a", "include_seen": "perhaps"}, 422),
    ],
)  # fmt: skip
def test_bad_questions_get_a_problem_that_says_why(client: TestClient, shelf: Server, parameters: dict[str, Any], status: int) -> None:
    send(client, shelf, "users", [user("gone", is_disabled=True)])
    answer = client.get("/search", params={"server_id": shelf.external_id, **parameters})
    assert answer.status_code == status
    assert answer.json()["detail"]


def tell_of(client: TestClient, server: Server, user_id: str, seen: str, hidden: str, **limits: Any) -> None:
    send(client, server, "users", [user(user_id, **limits)])
    send(client, server, "plays", [play(user_id, seen)])
    send(client, server, "signals", [signal(user_id, hidden, "hide"), signal(user_id, seen, "like")])


def test_what_is_seen_hidden_or_closed_is_not_found_by_title(client: TestClient, engine: Engine, server: Server) -> None:
    send(client, server, "items", [film(name, f"Heat {name}", library_id=name) for name in ("new", "seen", "hidden", "closed", "half")])
    tell_of(client, server, "ada", "seen", "hidden", library_ids=["new", "seen", "hidden", "half"])
    send(client, server, "plays", [play("ada", "half", percent=50)])
    assert set(names(search(client, server, "heat"))) == {"Heat new", "Heat seen", "Heat hidden", "Heat closed", "Heat half"}
    assert names(search(client, server, "heat", user_id="ada")) == ["Heat new"]
    again = search(client, server, "heat", user_id="ada", include_seen=True)
    assert set(names(again)) == {"Heat new", "Heat seen", "Heat half"}


def test_what_is_seen_hidden_or_closed_is_not_found_by_meaning(loaded: TestClient, cinema: Server) -> None:
    libraries = {body["item_id"]: body["library_id"] for body in demo_item_bodies()}
    assert libraries["film-alien-1979"] == libraries["film-jaws-1975"] != libraries["series-squid-game-2021"]
    tell_of(loaded, cinema, "bo", "film-alien-1979", "film-jaws-1975", library_ids=[libraries["film-alien-1979"]])
    for q in (CREATURE, "alien", "jaws", "squid game"):
        found = set(names(search(loaded, cinema, q, user_id="bo", limit=100)))
        assert "Aliens" in found
        assert not {"Alien", "Jaws", "Squid Game"} & found
        again = set(names(search(loaded, cinema, q, user_id="bo", limit=100, include_seen=True)))
        assert {"Alien", "Aliens"} <= again
        assert not {"Jaws", "Squid Game"} & again


def test_a_list_is_full_while_there_are_titles(loaded: TestClient, cinema: Server) -> None:
    for limit in (1, 65, 100):
        found = [item["item_id"] for item in search(loaded, cinema, CREATURE, limit=limit)["items"]]
        assert len(found) == len(set(found)) == limit


def test_the_key_of_another_server_finds_nothing(client: TestClient, shelf: Server, demo_server: Server, make_key: MakeKey) -> None:
    where = {"server_id": shelf.external_id, "q": "heat"}
    assert client.get("/search", params=where, headers=bearer(make_key(("read",), demo_server))).status_code == 404
    assert client.get("/search", params=where, headers=bearer(make_key(("read",), shelf))).status_code == 200
