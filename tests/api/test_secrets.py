"""What is secret gets into no log line and no error's body."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.logs import configure_logs
from app.settings import Settings
from app.types import Server
from tests.api.conftest import MakeClient, MakeKey, bearer
from tests.planted import ADMIN_KEY, SECRET_KEY, planted

PASSWORD = planted("password-c0ffee")
ITEM = "planted-item-of-ada"


@pytest.fixture(params=["console", "json"])
def logged(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that is written to standard error, the logs as the service configures them among it."""
    before = structlog.get_config()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs(settings.model_copy(update={"log_format": request.param, "log_level": "debug"}))
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)
    structlog.configure(**before)


def fail(which: str) -> Any:
    """What an endpoint of ours might do wrong while it holds what is secret."""

    def endpoint(authorization: str = ADMIN_KEY, item: str = ITEM) -> None:
        secrets = {"authorization": authorization, "item": item}
        if which == "raise":
            raise RuntimeError(f"unforeseen: {secrets}")
        try:
            raise ValueError(str(secrets))
        except ValueError as error:
            raise KeyError(item) from error

    return endpoint


def ask(client: TestClient | httpx.Client, key: str, server: Server) -> list[Any]:
    mine = {"server_id": server.external_id}
    answers = []
    for headers in (bearer(key), bearer(ADMIN_KEY), bearer(key + "x"), {}):
        answers += [
            client.get("/servers", headers=headers),
            client.get("/recommendations", params=mine | {"user_id": "nobody"}, headers=headers),
            client.get("/recommendations", params={"server_id": "\x00", "limit": "no"}, headers=headers),
            client.get("/nothing", headers=headers),
            client.delete("/servers", headers=headers),
            client.put(f"/servers/{server.external_id}", content=b"{", headers=headers),
            client.put(f"/servers/{server.external_id}", json={"name": "Renamed"}, headers=headers),
            client.post("/ingest/items", content=b"{", headers=headers),
            client.post("/ingest/plays", json=mine | {"plays": [{"item_id": ITEM}, None]}, headers=headers),
            client.get("/raise", headers=headers),
            client.get("/chain", headers=headers),
            client.post("/login", data={"key": headers.get("Authorization", "").removeprefix("Bearer ")}),
        ]
    return answers


def assert_nothing_planted(logged: io.StringIO, answers: list[Any], *secrets: str) -> str:
    written = logged.getvalue()
    bodies = "".join(f"{answer.headers} {answer.text}" for answer in answers)
    for secret in (ADMIN_KEY, SECRET_KEY, PASSWORD, *secrets):
        assert secret not in written
        assert secret not in bodies
    return written


def test_good_bad_and_failing_requests_tell_nothing(
    logged: io.StringIO, make_client: MakeClient, make_key: MakeKey, server: Server
) -> None:
    key = make_key(["read", "ingest"])
    client = make_client()
    for which in ("raise", "chain"):
        client.app.add_api_route(f"/{which}", fail(which))
    answers = ask(client, key, server)
    written = assert_nothing_planted(logged, answers, key, ITEM)
    assert {200, 400, 401, 403, 404, 405, 422, 500} <= {answer.status_code for answer in answers}
    # What is needed to find the fault is there: its kind, its place, and the id that the caller was given.
    assert "RuntimeError" in written
    assert "test_secrets.py" in written
    failed = next(answer for answer in answers if answer.status_code == 500)
    assert failed.headers["x-request-id"] in written
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.headers["x-content-type-options"] == "nosniff"


def test_a_database_that_fails_tells_nothing_of_its_address(logged: io.StringIO, make_client: MakeClient, server: Server) -> None:
    client = make_client(database_url=SecretStr(f"postgresql://palate:{PASSWORD}@127.0.0.1:1/palate"))
    answers = [client.get("/health/ready"), *ask(client, planted("reader-key"), server)]
    assert_nothing_planted(logged, answers, planted("reader-key"), ITEM)
    assert 503 in {answer.status_code for answer in answers}


def test_a_statement_that_fails_tells_nothing_of_its_values(
    logged: io.StringIO, make_client: MakeClient, empty_database_url: str, server: Server
) -> None:
    client = make_client(database_url=SecretStr(empty_database_url))
    answers = ask(client, planted("reader-key"), server)
    assert_nothing_planted(logged, answers, planted("reader-key"), ITEM)


def test_the_web_server_adds_nothing(logged: io.StringIO, make_client: MakeClient, make_key: MakeKey, server: Server) -> None:
    key = make_key()
    app = make_client().app
    for which in ("raise", "chain"):
        app.add_api_route(f"/{which}", fail(which))
    uvicorn_server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_level="warning", ws="none"))
    thread = threading.Thread(target=uvicorn_server.run)
    thread.start()
    try:
        while not uvicorn_server.started:
            assert thread.is_alive()
        port = uvicorn_server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            answers = ask(http, key, server)
    finally:
        uvicorn_server.should_exit = True
        thread.join(timeout=10)
    written = assert_nothing_planted(logged, answers, key, ITEM)
    assert "test_secrets.py" in written
    assert 500 in {answer.status_code for answer in answers}
