"""PostgreSQL is stopped and started under load: each request is answered with 200 or 503 in time, and the service recovers by itself."""

import signal
import threading
import time
from pathlib import Path
from random import Random

import httpx
import pytest
from pydantic import SecretStr

from app.db import Engine
from app.db.embedded import Embedded, start_or_attach, stop
from app.db.engine import working_engine
from app.db.servers import put_server
from app.settings import Settings
from app.types import Server
from migrations.migrate import migrate
from tests.api.conftest import bearer
from tests.api.served import served
from tests.db.household import Body, House
from tests.soak.service import Told, films_and_plays, n_wrong_engagement, send_plays, stored_plays

# On a machine that does nothing else; one that runs the whole suite beside it may stall.
RECOVERS_WITHIN_SECONDS, PATIENCE_SECONDS = 5.0, 60.0
# The longest that a request may wait for a connection, with something to spare.
ANSWERS_WITHIN_SECONDS = 15.0


def household(engine: Engine, items: list[Body], users: list[Body]) -> Server:
    migrate(engine)
    with engine.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    house = House(engine, server.id)
    house.items(*items)
    house.users(*users)
    return server


def ask(client: httpx.Client, told: Told, stopping: threading.Event) -> None:
    while not stopping.is_set():
        began = time.monotonic()
        answer = client.get("/recommendations", params={"server_id": "home", "user_id": "u1"})
        told.note(answer, time.monotonic() - began)
        if answer.status_code != 200:
            time.sleep(0.02)


def restarted(database: Embedded, folder: Path, random: Random) -> Embedded:
    """Stopped fast or without ceremony, away for a moment, and started."""
    assert database.child is not None
    database.child.send_signal(random.choice([signal.SIGINT, signal.SIGQUIT]))
    database.child.wait(20)
    time.sleep(random.uniform(0, 0.5))
    return start_or_attach(folder)


@pytest.mark.parametrize(
    ("n_rounds", "recovers_within"), [(1, PATIENCE_SECONDS), pytest.param(20, RECOVERS_WITHIN_SECONDS, marks=pytest.mark.soak)]
)
def test_requests_are_answered_while_the_database_comes_and_goes(
    settings: Settings, admin_key: str, tmp_path: Path, n_rounds: int, recovers_within: float
) -> None:
    random = Random(n_rounds)
    items, users, plays = films_and_plays(200 * n_rounds)
    database = start_or_attach(tmp_path)
    engine = working_engine(database.url)
    try:
        server = household(engine, items, users)
        engine.dispose()
        asked, told, stopping = Told(), Told(), threading.Event()
        with (
            served(settings.model_copy(update={"database_url": SecretStr(database.url)})) as address,
            httpx.Client(base_url=address, headers=bearer(admin_key), timeout=30) as client,
        ):
            load = [threading.Thread(target=ask, args=(client, asked, stopping), daemon=True) for _ in range(3)]
            sender = threading.Thread(target=send_plays, args=(client, "home", plays, told, 2, stopping, True), daemon=True)
            load.append(sender)
            for one in load:
                one.start()
            for _ in range(n_rounds):
                time.sleep(random.uniform(0.1, 0.4))
                database = restarted(database, tmp_path, random)
                up_at = time.monotonic()
                while asked.last_good_at < up_at or (told.last_good_at < up_at and sender.is_alive()):
                    assert time.monotonic() - up_at < recovers_within
                    time.sleep(0.01)
            stopping.set()
            for one in load:
                one.join(ANSWERS_WITHIN_SECONDS)
                assert not one.is_alive()
        assert set(asked.statuses) == {200, 503}
        assert set(told.statuses) <= {200, 503}
        assert max(asked.slowest_seconds, told.slowest_seconds) < ANSWERS_WITHIN_SECONDS
        with engine.begin() as connection:
            stored = stored_plays(connection, server.id)
            assert len(stored) == len(set(stored))
            assert set() < told.acknowledged <= set(stored)
            assert n_wrong_engagement(connection, server.id) == 0
    finally:
        engine.dispose()
        stop(database)
