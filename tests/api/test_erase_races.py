"""DELETE /users/{user_id} while others write of the same user: what they write goes with the rest, or is not kept."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Connection, Engine
from app.db.erase import erase_user
from app.db.slates import write_slates
from app.errors import UnknownUser
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_stale
from tests.api.personal import NOTHING, erase, rows_of, serve_and_compute, served, tell_of_ada_and_bo
from tests.api.rows import recommended, send
from tests.db.household import film, play, signal, tell, user

Write = Callable[[Connection, Server], None]


@pytest.fixture
def server(client: TestClient, server: Server) -> Server:
    tell_of_ada_and_bo(client, server)
    return server


def a_slate(connection: Connection, server: Server) -> None:
    write_slates(connection, [served(connection, server, name) for name in ("ada", "bo")])


def a_play(connection: Connection, server: Server) -> None:
    tell(connection, server.id, "plays", [play("ada", "f5"), play("ada", "not known"), play("bo", "f5")])


def a_signal(connection: Connection, server: Server) -> None:
    tell(connection, server.id, "signals", [signal("ada", "f5", "like"), signal("bo", "f5", "like")])


def the_user(connection: Connection, server: Server) -> None:
    tell(connection, server.id, "users", [user("ada", library_ids=["films", "more"]), user("bo", library_ids=["films", "more"])])


writing = pytest.mark.parametrize("write", [a_slate, a_play, a_signal, the_user], ids=lambda write: write.__name__)


def until_one_waits(engine: Engine) -> None:
    """Until a transaction waits for another to end."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 10
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.execute(text(sql)).scalar_one() < 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@writing
def test_what_is_under_way_goes_with_the_rest(client: TestClient, engine: Engine, server: Server, write: Write) -> None:
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            write(connection, server)
            erasing = pool.submit(erase, client, server, "ada")
            until_one_waits(engine)
        assert erasing.result(timeout=10).status_code == 200
    assert rows_of(engine, server, "ada") == NOTHING


@writing
def test_what_comes_meanwhile_is_not_kept(engine: Engine, server: Server, write: Write) -> None:
    before = rows_of(engine, server, "bo")

    def come() -> None:
        with engine.begin() as connection:
            write(connection, server)

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            erase_user(connection, server.id, "ada", datetime.now(UTC))
            coming = pool.submit(come)
            until_one_waits(engine)
        coming.result(timeout=10)
    assert rows_of(engine, server, "ada") == NOTHING
    # Bo's, written in the same call, is there.
    assert sum(rows_of(engine, server, "bo").values()) > sum(before.values())


@writing
def test_what_comes_after_is_not_kept(client: TestClient, engine: Engine, server: Server, write: Write) -> None:
    erase(client, server, "ada")
    with engine.begin() as connection:
        write(connection, server)
    assert rows_of(engine, server, "ada") == NOTHING


def test_a_taste_that_is_being_computed_is_not_kept(client: TestClient, engine: Engine, server: Server, now: datetime) -> None:
    serve_and_compute(engine, server, now)
    send(client, server, "plays", [play("ada", "f4"), play("bo", "f4")])
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            erase_user(connection, server.id, "ada", datetime.now(UTC))
            # Reads who is to be computed from before, and would write them after.
            computing = pool.submit(refresh_stale, engine, server.id, now, unseen)
            until_one_waits(engine)
        assert computing.result(timeout=10) == 2
    assert rows_of(engine, server, "ada") == NOTHING
    assert rows_of(engine, server, "bo")["tastes"] > 0


def test_an_answer_that_was_given_before_is_not_logged_after(client: TestClient, engine: Engine, server: Server) -> None:
    recommended(client, server, "ada")
    erase(client, server, "ada")
    recommended(client, server, "bo")
    deadline = time.monotonic() + 10
    while rows_of(engine, server, "bo")["slates"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert rows_of(engine, server, "ada") == NOTHING


def test_slates_do_not_wait_for_ingest(engine: Engine, server: Server) -> None:
    with engine.begin() as ingesting:
        a_play(ingesting, server)
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            a_slate(connection, server)
    assert rows_of(engine, server, "ada")["slates"] == 1


@pytest.fixture
def answers(client: TestClient, server: Server) -> Iterator[list[Any]]:
    """What four are answered who write, hide and ask until the test is over."""
    stop, answers = threading.Event(), []
    asked = {"server_id": server.external_id}

    def run(sender: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            plays = [play(name, f"f{number % 6}", f"{sender} {number} {name}") for name in ("ada", "bo")]
            answers.append(client.post("/ingest/plays", json=asked | {"plays": plays}))
            answers.append(client.post("/ingest/users", json=asked | {"users": [user("bo"), user("ada")]}))
            answers.append(client.post("/ingest/items", json=asked | {"items": [film("f1", year=1900 + number % 100)]}))
            answers.append(client.post("/users/ada/hidden/f3", params=asked))
            answers.append(client.get("/recommendations", params=asked | {"user_id": "ada"}))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(run, sender) for sender in range(4)]
        yield answers
        stop.set()
        for one in running:
            one.result(timeout=30)


def test_erasing_while_everybody_writes_leaves_nothing(client: TestClient, engine: Engine, server: Server, answers: list[Any]) -> None:
    def until_answered(n_answers: int) -> None:
        deadline = time.monotonic() + 30
        while len(answers) < n_answers:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    until_answered(40)
    assert erase(client, server, "ada").status_code == 200
    until_answered(len(answers) + 60)
    assert {answer.status_code for answer in answers} == {200, 404}
    assert rows_of(engine, server, "ada") == NOTHING


def test_of_many_who_erase_at_once_one_does(client: TestClient, server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: erase(client, server, "ada").status_code, range(4)))
    assert sorted(answers) == [200, 404, 404, 404]


def test_an_erasure_that_is_rolled_back_took_nothing(engine: Engine, server: Server) -> None:
    before = rows_of(engine, server, "ada")
    with engine.connect() as connection, connection.begin() as transaction:
        erase_user(connection, server.id, "ada", datetime.now(UTC))
        with pytest.raises(UnknownUser):
            erase_user(connection, server.id, "ada", datetime.now(UTC))
        transaction.rollback()
    assert rows_of(engine, server, "ada") == before
