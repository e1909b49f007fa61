"""Health, readiness, version, and what is answered while the database is away."""

import socket
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db import Engine
from app.db.engine import working_engine
from app.db.servers import put_server
from migrations.migrate import migrate
from tests.api.conftest import MakeClient, bearer
from tests.planted import planted


def ask_everything(client: TestClient, key: str) -> dict[str, int]:
    """The status of each endpoint that needs the database."""
    asked = {"server_id": "demo", "user_id": "mara"}
    headers = bearer(key)
    answers = [
        client.get("/recommendations", params=asked, headers=headers),
        client.get("/recommendations", headers=headers),
        client.get("/servers", headers=headers),
        client.get("/users", params=asked, headers=headers),
        client.put("/servers/x", json={"name": "X"}, headers=headers),
        client.post("/ingest/plays", json={"server_id": "demo", "plays": []}, headers=headers),
    ]
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["detail"]
    return {f"{answer.request.method} {answer.request.url.path}": answer.status_code for answer in answers}


def test_live_says_that_the_process_answers(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}


def test_ready_says_that_the_database_can_be_used(client: TestClient) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["status"], found["database"]) == ("ok", "ok")
    assert found["migration"] == client.app.state.newest_revision
    assert found["spaces"]["live"] >= 0


def test_version_and_api_health(client: TestClient) -> None:
    found = client.get("/api/version").json()
    assert found["currentVersion"]
    assert set(found) == {"currentVersion", "latestVersion", "hasUpdate", "buildTime"}
    assert datetime.fromisoformat(client.get("/api/health").json()["timestamp"]).tzinfo is not None


def test_every_answer_bears_an_id(client: TestClient) -> None:
    ids = {client.get(path).headers["x-request-id"] for path in ("/health/live", "/nothing", "/recommendations", "/servers")}
    assert len(ids) == 4


@pytest.mark.parametrize("sent_as", ["/palate/api/version", "/api/version"], ids=["the proxy keeps the base path", "the proxy strips it"])
def test_a_route_is_measured_under_a_base_path_too(make_client: MakeClient, sent_as: str) -> None:
    client = make_client(base_path="/palate")
    line = 'palate_request_seconds_count{method="GET",route="/api/version",status="200"}'

    def n_measured() -> float:
        found = [one for one in client.get("/palate/metrics").text.splitlines() if one.startswith(line)]
        return float(found[0].split()[-1]) if found else 0.0

    before = n_measured()
    assert client.get(sent_as).status_code == 200
    assert n_measured() == before + 1


def test_an_empty_database_is_not_ready_and_says_what_to_do(make_client: MakeClient, empty_database_url: str, admin_key: str) -> None:
    client = make_client(database_url=SecretStr(empty_database_url))
    ready = client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.headers["content-type"] == "application/problem+json"
    assert "palate migrate" in ready.json()["detail"]
    assert client.get("/health/live").status_code == 200
    assert set(ask_everything(client, admin_key).values()) == {503}
    assert "palate migrate" in client.get("/servers", headers=bearer(admin_key)).json()["detail"]


def test_an_unreachable_database_is_a_503_within_seconds(make_client: MakeClient, admin_key: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        password = planted("password")
        url = f"postgresql://palate:{password}@127.0.0.1:{unused.getsockname()[1]}/palate"
        client = make_client(database_url=SecretStr(url))
        started = time.monotonic()
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.headers["retry-after"]) == (503, "5")
        assert client.get("/health/live").status_code == 200
        assert client.get("/servers").status_code == 401
        assert set(ask_everything(client, admin_key).values()) == {503}
        assert time.monotonic() - started < 5
    assert password not in ready.text


def test_a_database_that_is_not_there_is_a_503(make_client: MakeClient, database_url: str, admin_key: str) -> None:
    absent = make_url(database_url).set(database="not_there").render_as_string(hide_password=False)
    client = make_client(database_url=SecretStr(absent))
    assert client.get("/health/ready").status_code == 503
    assert set(ask_everything(client, admin_key).values()) == {503}


@pytest.fixture
def own_engine(empty_database_url: str) -> Iterator[Engine]:
    """A migrated database of the test's own: cutting connections is felt by everybody on it."""
    engine = working_engine(empty_database_url)
    migrate(engine)
    with engine.begin() as connection:
        put_server(connection, "home", "Home", "api", {})
    yield engine
    engine.dispose()


def cut_connections(engine: Engine) -> int:
    """Ends every other connection to this database, as a restart of PostgreSQL would."""
    with engine.begin() as connection:
        return connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        ).scalar_one()


def test_the_service_recovers_by_itself_when_its_connections_are_cut(
    make_client: MakeClient, empty_database_url: str, own_engine: Engine, admin_key: str
) -> None:
    client = make_client(database_url=SecretStr(empty_database_url))
    empty = {"server_id": "home", "plays": []}
    for _ in range(2):
        assert client.get("/servers", headers=bearer(admin_key)).status_code == 200
        assert client.post("/ingest/plays", json=empty, headers=bearer(admin_key)).status_code == 200
        assert cut_connections(own_engine) >= 2
        reads = [client.get("/servers", headers=bearer(admin_key)).status_code for _ in range(5)]
        # Ingest has connections of its own.
        writes = [client.post("/ingest/plays", json=empty, headers=bearer(admin_key)).status_code for _ in range(5)]
        for statuses in (reads, writes):
            assert statuses[0] in (200, 503)
            assert statuses[1:] == [200] * 4
    assert client.get("/health/ready").status_code == 200


def test_nothing_is_written_twice_when_the_connections_are_cut(
    make_client: MakeClient, empty_database_url: str, own_engine: Engine, admin_key: str
) -> None:
    client = make_client(database_url=SecretStr(empty_database_url))
    rows = {"server_id": "home", "users": [{"user_id": "ada", "name": "Ada"}]}
    client.post("/ingest/users", json=rows | {"users": []}, headers=bearer(admin_key))
    cut_connections(own_engine)
    answers = [client.post("/ingest/users", json=rows, headers=bearer(admin_key)) for _ in range(3)]
    assert [answer.json()["created"] for answer in answers if answer.status_code == 200][:2] in ([1, 0], [1])
