"""When a key was last used is written beside the answers, at most once a minute."""

import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.api import key_use
from app.cli import app
from app.db import Engine
from app.db.servers import create_key, digest_of, list_keys
from app.secrets import new_key
from tests.api.conftest import MakeClient, bearer


def last_used(engine: Engine, key_id: int) -> datetime | None:
    with engine.begin() as connection:
        return next(key.last_used_at for key in list_keys(connection) if key.id == key_id)


@pytest.fixture
def key(engine: Engine) -> tuple[str, int]:
    made = new_key()
    with engine.begin() as connection:
        return made, create_key(connection, "seldom used", digest_of(made), ["read"], None, None)


def ask(client: TestClient, key: str) -> None:
    assert client.get("/servers", headers=bearer(key)).status_code == 200


def test_the_last_use_is_written_once_a_minute(
    make_client: MakeClient, engine: Engine, key: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, before = make_client(), datetime.now(UTC)
    assert last_used(engine, key[1]) is None
    ask(client, key[0])
    deadline = time.monotonic() + 5
    while (first := last_used(engine, key[1])) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert first is not None
    assert before <= first <= datetime.now(UTC)
    # This process keeps to the minute, and so does the row that several processes write.
    ask(client, key[0])
    monkeypatch.setattr(key_use, "WRITE_EVERY_SECONDS", 0.0)
    ask(client, key[0])
    client.app.state.key_use.stop()
    assert last_used(engine, key[1]) == first


def test_a_refused_key_was_not_used(make_client: MakeClient, engine: Engine) -> None:
    made = new_key()
    with engine.begin() as connection:
        key_id = create_key(connection, "expired", digest_of(made), ["read"], None, datetime.now(UTC) - timedelta(hours=1))
    client = make_client()
    assert client.get("/servers", headers=bearer(made)).status_code == 401
    client.app.state.key_use.stop()
    assert last_used(engine, key_id) is None


def test_the_list_of_keys_shows_it(
    database_url: str, engine: Engine, key: tuple[str, int], make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration, handlers = structlog.get_config(), logging.root.handlers[:]
    client = make_client()
    ask(client, key[0])
    client.app.state.key_use.stop()
    monkeypatch.setenv("PALATE_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["keys", "list"]).output
    # A command sends its logs to its own output, which is closed after it.
    structlog.configure(**configuration)
    logging.root.handlers[:] = handlers
    line = next(line for line in shown.splitlines() if line.startswith(f"│ {key[1]} "))
    assert f"{datetime.now(UTC):%Y-%m-%d}" in line.rpartition("│")[0].rpartition("│")[2]
