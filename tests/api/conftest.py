"""Keys, and apps whose settings are a test's own."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.engine import working_engine
from app.db.servers import create_key, digest_of
from app.main import create_app
from app.secrets import new_key
from app.settings import Settings
from app.types import Scope, Server
from migrations.migrate import migrate

MakeKey = Callable[..., str]
MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_key(engine: Engine) -> MakeKey:
    def make(scopes: Sequence[Scope] = ("read",), server: Server | None = None, expires_at: datetime | None = None) -> str:
        key = new_key()
        with engine.begin() as connection:
            create_key(connection, "an API test", digest_of(key), scopes, server.id if server else None, expires_at)
        return key

    return make


@pytest.fixture
def alone(empty_database_url: str) -> Iterator[Engine]:
    """A database of the test's own: the gauges are over all servers."""
    engine = working_engine(empty_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def make_client(settings: Settings) -> Iterator[MakeClient]:
    """A service of the test's own: `settings` that differ, and the address that it is asked from."""
    made: list[TestClient] = []

    def make(address: str = "127.0.0.1", **changes: Any) -> TestClient:
        app = create_app(settings.model_copy(update=changes))
        client = TestClient(app, client=(address, 5), raise_server_exceptions=False)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
        client.app.state.key_use.stop()
        client.app.state.serve.dispose()
        client.app.state.work.dispose()
        client.app.state.watch.dispose()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
