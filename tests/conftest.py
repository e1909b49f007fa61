"""One PostgreSQL for the whole run, migrated once; each test has a server of its own in it, as every row belongs to one."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from app.connect.demo.household import read_demo
from app.connect.importing import run_import
from app.db import Connection, Engine
from app.db.embedded import embedded_database
from app.db.engine import serving_engine, working_engine
from app.db.scratch import scratch_database
from app.db.servers import put_server
from app.main import create_app
from app.settings import Settings
from app.types import Server, unseen
from jobs.embed_items import embed_items
from jobs.refresh_tastes import refresh_tastes
from migrations.migrate import migrate
from tests.db.trained import delete_trained
from tests.planted import ADMIN_KEY, SECRET_KEY, pytest_runtest_makereport

# A hook is one wherever pytest finds it.
__all__ = ["pytest_runtest_makereport"]

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
# Where an operator sits.
LOOPBACK = ("127.0.0.1", 5)

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running PostgreSQL of this run's own; its database is empty. It waits for no disk: nobody cuts its power."""
    with embedded_database(tmp_path_factory.mktemp("palate")) as database:
        engine = working_engine(database.url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()
        yield database.url


@pytest.fixture(scope="session")
def database_url(postgres_url: str) -> Iterator[str]:
    with scratch_database(postgres_url) as url:
        engine = working_engine(url)
        migrate(engine)
        engine.dispose()
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A database of the test's own, not migrated."""
    with scratch_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    engine = working_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def serve_engine(database_url: str) -> Iterator[Engine]:
    engine = serving_engine(database_url, 4)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction that is committed at the end of the test."""
    with engine.begin() as connection:
        yield connection


@pytest.fixture
def make_server(engine: Engine) -> Callable[..., Server]:
    def make(**settings: Any) -> Server:
        with engine.begin() as connection:
            return put_server(connection, f"server-{next(_numbers)}", "Test server", "api", settings)[0]

    return make


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


@pytest.fixture
def no_model_stays(engine: Engine) -> Iterator[None]:
    """For tests whose models are no models: what is live on any server is loaded by every service that starts."""
    yield
    delete_trained(engine)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For trainings so small that threads would do nothing but wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def demo_server(engine: Engine) -> Server:
    """The demo household, embedded, with tastes. Tests don't change it."""
    now = datetime.now(UTC)
    with engine.begin() as connection:
        server, _ = put_server(connection, "demo", "Demo household", "api", {})
    run_import(engine, server.id, read_demo(now), unseen)
    embed_items(engine, server, MODEL, now, unseen)
    refresh_tastes(engine, server.id, now, unseen)
    return server


@pytest.fixture(scope="session")
def admin_key() -> str:
    return ADMIN_KEY


@pytest.fixture(scope="session")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        _env_file=None,
        database_url=SecretStr(database_url),
        data_dir=Path(tmp_path_factory.mktemp("data")),
        admin_key=SecretStr(ADMIN_KEY),
        secret_key=SecretStr(SECRET_KEY),
        # All tests are one address, and many of them send wrong keys.
        rate_limit="",
    )


@pytest.fixture(scope="session")
def client(settings: Settings) -> Iterator[TestClient]:
    """The whole service, with the admin key; a test that wants another sends its own header."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with TestClient(create_app(settings), headers=headers, client=LOOPBACK, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def demo_client(settings: Settings, demo_server: Server) -> Iterator[TestClient]:
    """The whole service without a key, its cookies the test's own; its server `demo` is the demo household."""
    with TestClient(create_app(settings), client=LOOPBACK, raise_server_exceptions=False) as client:
        yield client
