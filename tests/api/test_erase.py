"""DELETE /users/{user_id}: nothing of the user stays, nothing of them comes back, nobody else loses anything."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_tastes
from tests.api.conftest import MakeKey, bearer
from tests.api.personal import NOTHING, erase, rows_of, serve_and_compute, tell_of_ada_and_bo, users_row
from tests.api.rows import recommended, send
from tests.db.household import film, play, signal, user

MakeServer = Callable[..., Server]


@pytest.fixture
def server(client: TestClient, server: Server) -> Server:
    tell_of_ada_and_bo(client, server)
    return server


def test_no_table_holds_a_row_of_an_erased_user(client: TestClient, engine: Engine, server: Server, now: datetime) -> None:
    serve_and_compute(engine, server, now)
    before, others = rows_of(engine, server, "ada"), rows_of(engine, server, "bo")
    assert all(before.values()), f"A table of which tests/api/personal.py plants no row: {before}"
    answer = erase(client, server, "ada")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"user_id": "ada", "erased": before}
    assert rows_of(engine, server, "ada") == NOTHING
    assert rows_of(engine, server, "bo") == others


def test_of_the_users_row_only_the_id_stays(client: TestClient, engine: Engine, server: Server) -> None:
    limits = {"max_parental_age": 12, "blocked_tags": ["gore"], "allowed_tags": ["kids"], "opted_out": True, "is_disabled": True}
    send(client, server, "users", [user("bo", library_ids=[], **limits)])
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users (server_id, external_id) VALUES (:id, 'blank')"), {"id": server.id})
        blank = users_row(connection, server, "blank")
    started = datetime.now(UTC)
    for name in ("ada", "bo"):
        erase(client, server, name)
        with engine.begin() as connection:
            row = users_row(connection, server, name)
        assert started <= row["erased_at"] <= datetime.now(UTC)
        assert row == blank | {column: row[column] for column in ("id", "external_id", "erased_at")}


def test_an_erased_user_is_unknown_everywhere(client: TestClient, server: Server) -> None:
    asked = {"server_id": server.external_id, "user_id": "ada"}
    assert client.get("/recommendations", params=asked).status_code == 200
    erase(client, server, "ada")
    unknown = [
        client.get("/recommendations", params=asked),
        client.get("/users/ada/hidden", params=asked),
        client.post("/users/ada/hidden/f1", params=asked),
        client.delete("/users/ada/hidden/f2", params=asked),
        erase(client, server, "ada"),
        erase(client, server, "never heard of"),
    ]
    assert [(answer.status_code, answer.json()["title"]) for answer in unknown] == [(404, "Unknown user")] * 6
    listed = client.get("/users", params=asked).json()["users"]
    assert [one["user_id"] for one in listed] == ["bo"]


def test_what_is_sent_of_an_erased_user_is_refused(client: TestClient, engine: Engine, server: Server) -> None:
    erase(client, server, "ada")
    bodies: dict[str, Any] = {"users": user("ada"), "plays": play("ada", "f0", "a new one"), "signals": signal("ada", "f0", "like")}
    for kind, body in bodies.items():
        answer = send(client, server, kind, [body])
        assert [(one["index"], "erased" in one["error"]) for one in answer["rejected"]] == [(0, True)]
    # What waited for it went too.
    send(client, server, "items", [film("to come")])
    assert rows_of(engine, server, "ada") == NOTHING
    assert erase(client, server, "ada").status_code == 404


def test_a_user_who_is_only_named_by_plays_can_be_erased(client: TestClient, engine: Engine, server: Server) -> None:
    send(client, server, "plays", [play("not sent yet", "f0"), play("not sent yet", "to come")])
    erased = erase(client, server, "not sent yet").json()["erased"]
    assert (erased["plays"], erased["engagement"]) == (2, 1)
    assert rows_of(engine, server, "not sent yet") == NOTHING
    assert send(client, server, "users", [user("not sent yet")])["rejected"]


def test_the_household_no_longer_counts_an_erased_user(client: TestClient, engine: Engine, server: Server, now: datetime) -> None:
    send(client, server, "users", [user("cy")])

    def reasons() -> dict[str, str]:
        refresh_tastes(engine, server.id, now, unseen)
        return {item["item_id"]: item["reason"] for item in recommended(client, server, "cy")["items"]}

    before = reasons()
    assert before["f0"].startswith("Watched")
    assert before["f1"].startswith("Watched by 2 ")
    erase(client, server, "ada")
    after = reasons()
    assert not after["f0"].startswith("Watched")
    assert after["f1"] == before["f0"]


def test_the_same_id_on_another_server_is_somebody_else(
    client: TestClient, engine: Engine, server: Server, make_server: MakeServer
) -> None:
    other = make_server()
    tell_of_ada_and_bo(client, other)
    before = rows_of(engine, other, "ada")
    erase(client, server, "ada")
    assert rows_of(engine, other, "ada") == before
    assert {item["item_id"] for item in recommended(client, other, "ada")["items"]} == {"f3", "f4", "f5"}


@pytest.mark.parametrize(("scopes", "status"), [(["read"], 403), (["ingest"], 403), (["read", "ingest"], 403), (["admin"], 200)])
def test_erasing_needs_admin(client: TestClient, server: Server, make_key: MakeKey, scopes: Any, status: int) -> None:
    assert erase(client, server, "ada", headers=bearer(make_key(scopes))).status_code == status


def test_a_key_of_another_server_erases_nobody(
    client: TestClient, engine: Engine, server: Server, make_key: MakeKey, make_server: MakeServer
) -> None:
    before = rows_of(engine, server, "ada")
    answer = erase(client, server, "ada", headers=bearer(make_key(["admin"], make_server())))
    assert (answer.status_code, answer.json()["title"]) == (404, "Unknown server")
    assert rows_of(engine, server, "ada") == before
    assert erase(client, server, "ada", headers=bearer(make_key(["admin"], server))).status_code == 200


NEARLY_ADA = ["ada%2Fb", "ada%2F", "ada/", "ada/hidden", "ada/hidden/"]


@pytest.mark.parametrize("name", ["x" * 257, "a%00b", "%2F", "a%2Fb", "%2E%2E", "", "%F0%A0%B5%A3", "%ff", "ADA", "'", "%25", *NEARLY_ADA])
def test_a_bad_id_is_a_problem_and_erases_nobody(client: TestClient, engine: Engine, server: Server, name: str) -> None:
    before = rows_of(engine, server, "ada")
    answer = erase(client, server, name)
    assert answer.status_code in {404, 405, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert rows_of(engine, server, "ada") == before
