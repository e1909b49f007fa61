"""Models take each other's place while requests come in: for a while, and with `make soak` for long."""

from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from app.db import Engine, bench
from app.db.servers import put_server
from app.settings import Settings
from tests.api.changing_models import Caller, change_under_load, check, models_logged, two_models
from tests.api.conftest import bearer
from tests.api.served import served
from tests.jobs.street import Street


@pytest.fixture(scope="module")
def street(engine: Engine) -> Iterator[Street]:
    with engine.begin() as connection:
        server, _ = put_server(connection, "changing", "Models change here", "api", {})
    made = Street(engine, server, datetime.fromisoformat("2026-06-01T20:00:00+00:00"))
    made.learn()
    yield made
    with engine.begin() as connection:
        bench.forget_models(connection, server.id)


@pytest.mark.parametrize(
    ("n_requests", "n_rounds"),
    [pytest.param(200, 1, id="for a while"), pytest.param(2_000, 10, id="for long", marks=pytest.mark.soak)],
)
def test_models_change_without_an_error_and_no_answer_is_of_two(
    street: Street, settings: Settings, admin_key: str, n_requests: int, n_rounds: int
) -> None:
    first, second = two_models(street)
    with served(settings) as address, httpx.Client(base_url=address, headers=bearer(admin_key), timeout=30) as http:
        caller = Caller(http, street.server)
        expected = change_under_load(caller, first, second, n_requests, 50, n_rounds)
    check(caller, expected, models_logged(street.engine, street.server), n_requests)
