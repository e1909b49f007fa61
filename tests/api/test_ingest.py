"""POST /ingest/...: what is taken, what is refused, and what one can see of it afterwards."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.types import Server
from tests.api.rows import counts, movie, play, recommended, send, send_lines, user

SENT: dict[str, tuple[list[Any], list[Any]]] = {
    "items": ([movie(1), movie(2)], [movie(1), movie(2, name="Renamed")]),
    "users": ([user("ada"), user("ben")], [user("ada"), user("ben", is_disabled=True)]),
    "plays": ([play("ada", 1, percent=10), play("ben", 1)], [play("ada", 1, percent=90), play("ben", 1)]),
    "signals": (
        [{"user_id": "ada", "item_id": "film-1", "kind": "rating", "value": 4, "at": "2026-01-01T00:00:00Z"}],
        [{"user_id": "ada", "item_id": "film-1", "kind": "rating", "value": 5, "at": "2026-01-01T00:00:00Z"}],
    ),
}


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("way", ["json", "ndjson"])
def test_what_is_new_changed_and_unchanged_is_counted(client: TestClient, server: Server, name: str, way: str) -> None:
    def tell(rows: list[Any]) -> dict[str, Any]:
        if way == "json":
            return send(client, server, name, rows)
        return send_lines(client, server, name, "\n".join(map(json.dumps, rows)).encode())

    first, second = SENT[name]
    n = len(first)
    assert tell(first) == counts(n, created=n)
    assert tell(first) == counts(n, unchanged=n)
    assert tell(second) == counts(n, updated=1, unchanged=n - 1)
    assert tell([]) == counts(0)


@pytest.mark.parametrize("name", SENT)
def test_bad_rows_are_refused_by_index_while_good_ones_land(client: TestClient, server: Server, name: str) -> None:
    [good, *_], _ = SENT[name]
    rows = [None, good, {}, [], "x", 7, good | {"surprise": 1}, {**good, "item_id" if name != "users" else "user_id": "a\x00b"}]
    answer = send(client, server, name, rows)
    assert (answer["received"], answer["created"]) == (8, 1)
    assert [one["index"] for one in answer["rejected"]] == [0, 2, 3, 4, 5, 6, 7]
    reasons = {one["index"]: one["error"] for one in answer["rejected"]}
    assert "Field required" in reasons[2]
    assert "surprise" in reasons[6]
    assert "NUL" in reasons[7]


def test_a_reason_names_the_field_and_does_not_repeat_what_was_sent(client: TestClient, server: Server) -> None:
    answer = send(client, server, "items", [movie(1, year="planted-year"), movie(2, people=[{"name": "A", "kind": 5}])])
    assert [one["error"].partition(":")[0] for one in answer["rejected"]] == ["year", "people.0.kind"]
    assert "planted-year" not in json.dumps(answer)


@pytest.mark.parametrize(
    "fields",
    [
        '"year": 1e999', '"year": NaN', f'"year": {"9" * 400}', '"year": "1999"', '"year": true', '"year": 0',
        '"community_rating": Infinity', '"community_rating": 10.5', '"runtime_seconds": -1', '"runtime_seconds": 1e300',
        '"added_at": "yesterday"', '"added_at": "2026-03-01T20:15:00"', '"added_at": 5', '"added_at": "1e999"',
        '"type": "song"', '"type": "episode"', '"genres": "Drama"', '"genres": [null]', '"images": []', '"images": {"a": 1}',
        f'"overview": "{"x" * 20_001}"', '"name": ""', '"item_id": ""', f'"item_id": "{"x" * 257}"', '"provider_ids": {"tmdb": 5}',
    ],
    ids=lambda value: value[:30],
)  # fmt: skip
def test_a_field_that_cannot_be_is_refused(client: TestClient, server: Server, fields: str) -> None:
    # Twice the same name in an object: the last one counts.
    line = '{"item_id": "a", "type": "movie", "name": "A", ' + fields + "}"
    answer = send_lines(client, server, "items", line.encode())
    assert answer["rejected"], line
    assert answer["created"] == 0


FARTHEST = ["2026-03-01T20:15:00+23:59", "2026-03-01T20:15:00-23:59", "2026-03-01T20:15:00+16:00"]


@pytest.mark.parametrize("at", FARTHEST)
def test_any_offset_of_a_time_is_read(client: TestClient, server: Server, at: str) -> None:
    like = {"user_id": "ada", "item_id": "film-1", "kind": "like", "at": at}
    for name, row in {"items": movie(1, added_at=at), "plays": play("ada", 1, started_at=at), "signals": like}.items():
        assert send(client, server, name, [row]) == counts(1, created=1)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("plays", play("ada", 1, percent=1e-50)),
        ("signals", {"user_id": "ada", "item_id": "film-1", "kind": "rating", "value": 1e-50}),
        ("items", movie(1, community_rating=1e-50)),
    ],
    ids=lambda value: value if isinstance(value, str) else list(value)[-1],
)
def test_a_number_near_nought_is_refused_or_rounded(client: TestClient, server: Server, name: str, row: dict[str, Any]) -> None:
    send(client, server, name, [row])


ENDS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1900-01-01T00:00:00+14:00", "2200-12-31T23:59:59-12:00"]


@pytest.mark.parametrize("at", ENDS)
def test_times_at_the_ends_of_the_calendar_break_no_answer(client: TestClient, server: Server, at: str) -> None:
    send(client, server, "items", [movie(1, added_at=at), movie(2), movie(3)])
    send(client, server, "users", [user("ada"), user("ben")])
    send(client, server, "plays", [play("ada", 2, started_at=at)])
    send(client, server, "signals", [{"user_id": "ada", "item_id": "film-3", "kind": "like", "at": at}])
    for name in ("ada", "ben"):
        assert recommended(client, server, name)["items"]
        assert recommended(client, server, name, include_seen=True)["items"]


def test_the_last_of_equal_items_and_users_in_a_call_stands(client: TestClient, server: Server) -> None:
    assert send(client, server, "users", [user("ada"), user("ada", name="Ada L.")]) == counts(2, created=1, unchanged=1)
    [ada] = client.get("/users", params={"server_id": server.external_id}).json()["users"]
    assert ada["name"] == "Ada L."
    assert send(client, server, "items", [movie(1), movie(1, name="Last")]) == counts(2, created=1, unchanged=1)
    assert recommended(client, server, "ada")["items"][0]["name"] == "Last"


def test_one_play_id_is_one_play_and_names_one_user_and_item(client: TestClient, server: Server) -> None:
    rows = [play("ada", 1, percent=20), play("ada", 1, percent=60), play("ada", 1) | {"item_id": "film-2"}]
    answer = send(client, server, "plays", rows)
    assert (answer["received"], answer["created"], answer["unchanged"]) == (3, 1, 1)
    assert [one["index"] for one in answer["rejected"]] == [2]
    again = send(client, server, "plays", [None, play("ada", 1) | {"user_id": "ben"}])
    assert [one["index"] for one in again["rejected"]] == [0, 1]


def test_from_an_empty_server_to_recommendations_before_anything_is_embedded(client: TestClient, request: pytest.FixtureRequest) -> None:
    server_id = f"round trip {request.node.name}"
    assert client.put(f"/servers/{server_id}", json={"name": "New", "kind": "api"}).status_code == 201
    server = Server(0, server_id, "New", "api", {})
    assert send(client, server, "items", [movie(n, community_rating=5 + n / 10) for n in range(1, 9)]) == counts(8, created=8)
    assert send(client, server, "users", [user("ada"), user("ben"), user("cy")]) == counts(3, created=3)
    before = recommended(client, server, "ada")
    assert (before["source"], before["degraded"]) == ("popular", ["no_text_space"])

    plays = [play("ada", 1), play("ada", 2), play("ben", 2), play("ben", 3)]
    assert send(client, server, "plays", plays) == counts(4, created=4)
    for name, watched in {"ada": {"film-1", "film-2"}, "ben": {"film-2", "film-3"}, "cy": set()}.items():
        answer = recommended(client, server, name)
        assert answer["source"] in {"household", "popular"}
        assert answer["degraded"] == ["no_text_space"]
        found = [item["item_id"] for item in answer["items"]]
        assert set(found) == {f"film-{n}" for n in range(1, 9)} - watched
    again = recommended(client, server, "ada", include_seen=True)
    assert len(again["items"]) == 8


def test_plays_wait_for_their_users_and_items(client: TestClient, server: Server) -> None:
    assert send(client, server, "plays", [play("ada", 1), play("ada", 2)]) == counts(2, created=2)
    asked = {"server_id": server.external_id, "user_id": "ada"}
    assert client.get("/recommendations", params=asked).status_code == 404
    assert client.get("/users", params=asked).json() == {"users": []}

    send(client, server, "items", [movie(2), movie(3)])
    assert client.get("/recommendations", params=asked).status_code == 404
    send(client, server, "users", [user("ada")])
    assert [item["item_id"] for item in recommended(client, server, "ada")["items"]] == ["film-3"]
    [ada] = client.get("/users", params=asked).json()["users"]
    assert ada == {"user_id": "ada", "name": "Ada", "n_plays": 1, "has_taste": False}

    send(client, server, "items", [movie(1)])
    assert [item["item_id"] for item in recommended(client, server, "ada")["items"]] == ["film-3"]
    assert client.get("/users", params=asked).json()["users"][0]["n_plays"] == 2


def test_what_is_hidden_or_disliked_does_not_come_until_it_is_taken_back(client: TestClient, server: Server) -> None:
    send(client, server, "items", [movie(1), movie(2), movie(3)])
    send(client, server, "users", [user("ada")])
    said = [{"user_id": "ada", "item_id": "film-1", "kind": "hide"}, {"user_id": "ada", "item_id": "film-2", "kind": "dislike"}]
    send(client, server, "signals", [one | {"at": "2026-01-01T00:00:00Z"} for one in said])
    assert [item["item_id"] for item in recommended(client, server, "ada", include_seen=True)["items"]] == ["film-3"]
    send(client, server, "signals", [one | {"at": "2026-01-02T00:00:00Z", "value": False} for one in said])
    assert len(recommended(client, server, "ada")["items"]) == 3
