"""/users/{user_id}/hidden: who may ask, about whom and what."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.types import Server
from tests.api.conftest import MakeKey, bearer
from tests.api.home import EVERYTHING, Home, make_home
from tests.db.household import episode, film, play, user


@pytest.fixture
def home(client: TestClient, engine: Engine, server: Server) -> Home:
    return make_home(client, engine, server)


def test_only_a_known_user_can_hide(home: Home) -> None:
    home.send("plays", play("waiting", "heat"))
    home.rows("INSERT INTO users (server_id, external_id, name, erased_at) VALUES (:server_id, 'gone', 'Gone', now()) RETURNING id")
    before = home.rows("SELECT * FROM users WHERE server_id = :server_id ORDER BY id")
    for user_id in ("nobody", "waiting", "gone", "ADA", "heat"):
        for method, path in (("POST", "/heat"), ("DELETE", "/heat"), ("GET", "")):
            answer = home.call(method, f"/users/{user_id}/hidden{path}")
            assert (answer.status_code, answer.json()["title"]) == (404, "Unknown user")
    assert home.rows("SELECT * FROM users WHERE server_id = :server_id ORDER BY id") == before
    assert home.rows("SELECT * FROM signals WHERE server_id = :server_id") == []


def test_only_a_known_entry_can_be_hidden(home: Home) -> None:
    home.send("plays", play("ada", "played only"))
    home.send("items", episode("stray", "series to come", 1), episode("of a film", "heat", 1))
    before = home.rows("SELECT * FROM entries WHERE server_id = :server_id ORDER BY id")
    for item_id in ("nothing", "played only", "stray", "series to come", "of a film", "HEAT", "ada"):
        for method in ("POST", "DELETE"):
            answer = home.call(method, f"/users/ada/hidden/{item_id}")
            assert (answer.status_code, answer.json()["title"]) == (404, "Unknown item"), item_id
    assert home.rows("SELECT * FROM entries WHERE server_id = :server_id ORDER BY id") == before
    assert home.rows("SELECT * FROM signals WHERE server_id = :server_id") == []


BAD = ["x" * 256, "x" * 257, "x" * 9000, "a\x00b", "\x00", "a/b", "/", "..", ".", " ", "a?b#c", "%", "%2F", "ключ", "𠵣", "'; --", "\ufffe"]


@pytest.mark.parametrize("bad", BAD, ids=lambda value: repr(value[:12]))
def test_a_bad_id_is_a_problem_and_never_an_error(home: Home, bad: str) -> None:
    spelled = quote(bad, safe="").replace(".", "%2E")
    for user_id, item_id in ((spelled, "heat"), ("ada", spelled), (spelled, spelled)):
        for method, path in (("POST", f"hidden/{item_id}"), ("DELETE", f"hidden/{item_id}"), ("GET", "hidden")):
            if method != "GET" or user_id == spelled:
                answer = home.call(method, f"/users/{user_id}/{path}")
                # A slash makes another address of it, which may take another method.
                assert answer.status_code in {404, 405, 422}, (method, path, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
    answer = home.client.get("/users/ada/hidden", params={"server_id": bad})
    assert answer.status_code in {404, 422}
    assert home.client.post("/users/ada/hidden/heat").status_code == 422


def test_bytes_that_are_no_text_are_a_problem_and_never_an_error(home: Home) -> None:
    for path in ("/users/%ff/hidden/heat", "/users/ada/hidden/%c3%28", "/users/ada/hidden/%ed%a0%80"):
        assert home.call("POST", path).status_code in {404, 422}


@pytest.mark.parametrize("own_id", ["ключ", "a b", "a?b", "a%b", "𠵣", "..", "x" * 256])
def test_any_id_without_a_slash_can_be_hidden(home: Home, own_id: str) -> None:
    home.send("items", film(own_id))
    home.send("users", user(own_id))
    spelled = quote(own_id, safe="").replace(".", "%2E")
    assert home.hide(spelled, spelled).json() == {"item_id": own_id, "hidden": True}
    assert home.hidden_ids(spelled) == [own_id]
    assert home.unhide(spelled, spelled).json() == {"item_id": own_id, "hidden": False}


@pytest.mark.parametrize(
    ("scopes", "may_change", "may_read"), [(["read"], False, True), (["ingest"], True, False), (["admin"], True, True)]
)
def test_hiding_needs_ingest_and_the_list_needs_read(home: Home, make_key: MakeKey, scopes: Any, may_change: bool, may_read: bool) -> None:
    headers = bearer(make_key(scopes))
    expected = {True: 200, False: 403}
    for method, path, may in (("POST", "/heat", may_change), ("DELETE", "/heat", may_change), ("GET", "", may_read)):
        assert home.call(method, f"/users/ada/hidden{path}", headers=headers).status_code == expected[may]


def test_a_key_of_another_server_is_refused(home: Home, make_key: MakeKey, make_server: Callable[..., Server]) -> None:
    headers = bearer(make_key(["admin"], make_server()))
    for method, path in (("POST", "/heat"), ("DELETE", "/heat"), ("GET", "")):
        answer = home.call(method, f"/users/ada/hidden{path}", headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (404, "Unknown server")
    assert home.suggested() == EVERYTHING


def test_the_same_ids_on_another_server_are_others(
    home: Home, client: TestClient, engine: Engine, make_server: Callable[..., Server]
) -> None:
    other = Home(client, engine, make_server())
    other.send("users", user("ada"))
    other.send("items", film("heat"))
    home.hide("heat")
    assert other.suggested() == {"heat"}
    assert other.hidden() == []
