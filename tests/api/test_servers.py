"""PUT /servers/{server_id}, GET /servers, GET /users"""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.servers import put_server
from app.types import Server
from tests.planted import planted

CAREFUL = {
    "unrated": "hide", "without_library": "hide", "guests": "hide", "in_progress": "seen", "watched_returns_after_days": None,
    "preset": "palate", "weights": {}, "variety": 0.2, "balance": 0.07, "franchise_cap": 2, "genre_cap": None, "freshness": 0.05,
    "schedule": {}, "time_zone": None,
}  # fmt: skip


@pytest.fixture
def server_id(server: Server) -> str:
    """An id that no server has yet."""
    return f"put {server.external_id}"


def listed(client: TestClient) -> dict[str, Any]:
    return {one["server_id"]: one for one in client.get("/servers").json()["servers"]}


def test_put_registers_and_then_changes(client: TestClient, server_id: str) -> None:
    made = client.put(f"/servers/{server_id}", json={"name": "Attic", "kind": "jellyfin"})
    assert made.status_code == 201
    assert made.json() == {"server_id": server_id, "name": "Attic", "kind": "jellyfin", "settings": CAREFUL}
    same = client.put(f"/servers/{server_id}", json={"name": "Attic", "kind": "jellyfin"})
    assert (same.status_code, same.json()) == (200, made.json())
    shown = CAREFUL | {"unrated": "show"}
    changed = client.put(f"/servers/{server_id}", json={"name": "Cellar", "kind": "plex", "settings": {"unrated": "show"}})
    assert changed.status_code == 200
    assert changed.json() == listed(client)[server_id] == {"server_id": server_id, "name": "Cellar", "kind": "plex", "settings": shown}


@pytest.mark.parametrize("name", ["a b", "ключ", "a.b", "..", "-", "x" * 256, "a?b", "a%b", "a'b", "𠵣"])
def test_an_id_is_the_callers_own(client: TestClient, server_id: str, name: str) -> None:
    from urllib.parse import quote

    own = (server_id + name)[-256:]
    assert client.put(f"/servers/{quote(own, safe='')}", json={"name": "A"}).json()["server_id"] == own
    assert own in listed(client)
    assert client.get("/users", params={"server_id": own}).json() == {"users": []}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"{}", b"\xff", b'{"name": ""}', b'{"name": null}', b'{"name": 5}', b'{"name": "a\\u0000"}',
        b'{"name": "\\ud800"}', b'{"name": "a", "\\ud800": 1}', b'{"name": "a", "kind": "vhs"}', b'{"name": "a", "surprise": 1}',
        b'{"name": "a", "settings": {"unrated": "perhaps"}}', b'{"name": "a", "settings": {"unrated": true}}',
        b'{"name": "a", "settings": {"other": "hide"}}', b'{"name": "a", "settings": null}', b'{"name": "a", "settings": []}',
        b"[" * 100_000, b'{"name": ' + b"1" * 5000 + b"}", b'{"name": "' + b"x" * 513 + b'"}',
    ],
    ids=lambda value: repr(value[:45]),
)  # fmt: skip
def test_a_bad_body_is_told_why_and_changes_nothing(client: TestClient, server_id: str, body: bytes) -> None:
    answer = client.put(f"/servers/{server_id}", content=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert server_id not in listed(client)


@pytest.mark.parametrize("path", ["a%00b", "x" * 257])
def test_a_bad_id_is_told_why(client: TestClient, path: str) -> None:
    assert client.put(f"/servers/{path}", json={"name": "a"}).status_code == 422
    assert client.get("/users", params={"server_id": path.replace("%00", "\x00")}).status_code == 422


def test_servers_are_listed_in_the_order_of_their_ids(client: TestClient, server: Server) -> None:
    ids = [one["server_id"] for one in client.get("/servers").json()["servers"]]
    assert server.external_id in ids
    assert len(set(ids)) == len(ids)
    assert all(set(one) == {"server_id", "name", "kind", "settings"} for one in listed(client).values())


def test_settings_that_are_not_for_readers_neither_break_the_list_nor_show_in_it(
    client: TestClient, engine: Engine, server_id: str
) -> None:
    with engine.begin() as connection:
        put_server(connection, server_id, "Synced", "jellyfin", {"unrated": "show", "token": planted("token")})
    answer = client.get("/servers")
    assert listed(client)[server_id]["settings"] == CAREFUL | {"unrated": "show"}
    assert planted("token") not in answer.text


def test_what_is_unrated_follows_the_setting(client: TestClient, server_id: str) -> None:
    def may_see() -> bool:
        answer = client.get("/recommendations", params={"server_id": server_id, "user_id": "child"})
        return bool(answer.json()["items"])

    client.put(f"/servers/{server_id}", json={"name": "A"})
    items = [{"item_id": "f", "type": "movie", "name": "F", "library_id": "l"}]
    client.post("/ingest/items", json={"server_id": server_id, "items": items})
    client.post("/ingest/users", json={"server_id": server_id, "users": [{"user_id": "child", "name": "C", "max_parental_age": 12}]})
    assert not may_see()
    client.put(f"/servers/{server_id}", json={"name": "A", "settings": {"unrated": "show"}})
    assert may_see()
    client.put(f"/servers/{server_id}", json={"name": "A"})
    assert not may_see()


@pytest.mark.usefixtures("demo_server")
def test_users_are_those_of_the_server_with_what_is_known_of_them(client: TestClient, server: Server) -> None:
    users = {one["user_id"]: one for one in client.get("/users", params={"server_id": "demo"}).json()["users"]}
    assert set(users["mara"]) == {"user_id", "name", "n_plays", "has_taste"}
    assert users["mara"]["has_taste"] is True
    assert users["mara"]["n_plays"] > 0
    assert client.get("/users", params={"server_id": server.external_id}).json() == {"users": []}
    assert client.get("/users", params={"server_id": "not there"}).status_code == 404


def test_users_come_by_name_and_page_by_page(client: TestClient, server: Server) -> None:
    named = [("u3", "Ada"), ("u1", "Ben"), ("u2", "Ben"), ("u0", "Cy")]
    users = [{"user_id": user_id, "name": name} for user_id, name in reversed(named)]
    asked = {"server_id": server.external_id}
    client.post("/ingest/users", json=asked | {"users": users})

    def listed(**page: int) -> list[tuple[str, str]]:
        found = client.get("/users", params=asked | page).json()["users"]
        return [(one["user_id"], one["name"]) for one in found]

    assert listed() == named
    assert [listed(limit=3), listed(limit=3, offset=3), listed(limit=3, offset=4), listed(offset=2)] == [
        named[:3],
        named[3:],
        [],
        named[2:],
    ]
    for bad in ({"limit": 0}, {"limit": 10**30}, {"offset": -1}):
        assert client.get("/users", params=asked | bad).status_code == 422
