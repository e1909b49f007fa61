"""SIGTERM: what is under way is answered, what comes later is not taken."""

import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.db import Engine
from app.types import Server
from tests.db.household import House, film, play, user
from tests.db.test_ingest_order import until_waiting
from tests.soak.service import running


@pytest.mark.parametrize("n_processes", ["1", pytest.param("2", marks=pytest.mark.soak)])
def test_a_slow_request_is_answered_after_sigterm(
    engine: Engine, database_url: str, server: Server, tmp_path: Path, n_processes: str
) -> None:
    house = House(engine, server.id)
    house.items(film("f"))
    house.users(user("ada"))
    answers: list[httpx.Response] = []
    with running(database_url, tmp_path, PALATE_WEB_PROCESSES=n_processes) as service, service.client() as client:
        sending = threading.Thread(
            target=lambda: answers.append(client.post("/ingest/plays", json={"server_id": server.external_id, "plays": [play("ada", "f")]}))
        )
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE plays IN ACCESS EXCLUSIVE MODE"))
            sending.start()
            until_waiting(engine, 1)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert service.process.poll() is None
            # Several processes share an address that stays open until the last has ended: it is taken up by nobody.
            with pytest.raises(httpx.TransportError):
                service.get("/health/live", 1)
        sending.join(10)
        assert [answer.status_code for answer in answers] == [200]
        # uvicorn ends as the signal would have ended it.
        assert service.process.wait(10) in (0, -signal.SIGTERM)
    assert house.engagement("ada", "f") is not None
