"""More requests at once than connections: some wait, some are told that it is busy, none hangs."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from app.db import Engine
from app.settings import Settings
from app.types import Server
from tests.api.conftest import bearer
from tests.api.served import served
from tests.jobs.working import until

N_CALLERS = 60
# Of one user, all but the first wait for that one.
WAITING = text(
    "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE NOT l.granted AND a.datname = current_database()"
)
SECONDS = 3.0


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    with served(settings.model_copy(update={"pool_size": 3})) as found:
        yield found


@pytest.mark.usefixtures("demo_server")
def test_sixty_callers_and_three_connections_end_in_answers(address: str, admin_key: str) -> None:
    statuses: Counter[int] = Counter()
    errors: list[Exception] = []
    until = time.monotonic() + SECONDS
    with httpx.Client(base_url=address, headers=bearer(admin_key), timeout=30, limits=httpx.Limits(max_connections=N_CALLERS + 5)) as http:

        def call(number: int) -> None:
            user = ("mara", "jonas", "ines", "okafors")[number % 4]
            try:
                while time.monotonic() < until:
                    answer = http.get("/recommendations", params={"server_id": "demo", "user_id": user, "limit": 100})
                    statuses[answer.status_code] += 1
                    assert answer.status_code != 503 or "retry-after" in answer.headers
            except Exception as error:
                errors.append(error)

        callers = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(N_CALLERS)]
        for caller in callers:
            caller.start()
        slowest = 0.0
        while time.monotonic() < until:
            started = time.perf_counter()
            assert http.get("/health/live").status_code == 200
            slowest = max(slowest, time.perf_counter() - started)
            time.sleep(0.2)
        for caller in callers:
            caller.join(timeout=30)
        assert not any(caller.is_alive() for caller in callers)
        assert errors == []
        assert set(statuses) <= {200, 503}
        assert statuses[200] >= N_CALLERS
        # A monitor that gets no answer would end a process that is only busy.
        assert slowest < 10
        assert http.get("/health/ready").status_code == 200


def test_writes_that_are_held_up_keep_nobody_from_reading(address: str, admin_key: str, server: Server, engine: Engine) -> None:
    told: Counter[int] = Counter()
    body = {"server_id": server.external_id, "plays": [{"play_id": "p", "user_id": "ada", "item_id": "heat"}]}
    with httpx.Client(base_url=address, headers=bearer(admin_key), timeout=30, limits=httpx.Limits(max_connections=N_CALLERS + 5)) as http:
        callers = [
            threading.Thread(target=lambda: told.update([http.post("/ingest/plays", json=body).status_code]), daemon=True)
            for _ in range(N_CALLERS)
        ]
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE plays IN SHARE MODE"))
            for caller in callers:
                caller.start()
            # All that can be are waiting for it.
            until(lambda: connection.execute(WAITING).scalar_one() >= 3)
            for path in ("/health/ready", "/metrics", "/servers", f"/users?server_id={server.external_id}"):
                assert http.get(path).status_code == 200
            assert told == Counter()
        for caller in callers:
            caller.join(timeout=30)
    assert told == {200: N_CALLERS}
