"""What the tests of packs share, small text models, the command, and the queue."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli import app
from app.connect.pack import Pack, read_pack, write_pack
from app.db import Engine
from app.db.engine import working_engine
from app.db.scratch import scratch_database
from app.db.servers import put_server
from app.types import Server, unseen
from jobs.packs import build_from_movielens
from migrations.migrate import migrate
from tests.jobs.films import FEW, Home, write_movielens
from tests.jobs.text_models import write_text_model
from tests.jobs.two_models import WORDS
from tests.jobs.working import Queue

Palate = Callable[..., Result]
MakeHome = Callable[..., Server]


@pytest.fixture
def palate(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Palate:
    """The command, on the database of the tests."""
    monkeypatch.setenv("PALATE_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Result:
        # A command sends its logs to its own output, which is closed after it.
        configuration, handlers = structlog.get_config(), logging.root.handlers[:]
        try:
            return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)
        finally:
            structlog.configure(**configuration)
            logging.root.handlers[:] = handlers

    return run


@pytest.fixture(scope="session")
def movielens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_movielens(tmp_path_factory.mktemp("ml-made-up"))


@pytest.fixture(scope="session")
def pack(movielens: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    file = tmp_path_factory.mktemp("packs") / "made-up.pack"
    write_pack(build_from_movielens(movielens, unseen, parameters=FEW), file)
    return read_pack(file)


@pytest.fixture
def home(engine: Engine, server: Server, now: datetime) -> Home:
    return Home(engine, server, now)


@pytest.fixture(scope="session")
def blue(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_text_model(tmp_path_factory.mktemp("model") / "blue", 1, WORDS)


@pytest.fixture(scope="session")
def green(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_text_model(tmp_path_factory.mktemp("model") / "green", 2, WORDS)


@pytest.fixture(scope="session")
def own_database(postgres_url: str) -> Iterator[tuple[Engine, str]]:
    """A migrated database for those who look after every server that there is."""
    with scratch_database(postgres_url) as url:
        engine = working_engine(url)
        migrate(engine)
        yield engine, url
        engine.dispose()


@pytest.fixture
def queue(own_database: tuple[Engine, str], tmp_path: Path) -> Iterator[Queue]:
    """Empty at first: the servers of a test go with it."""
    found = Queue(*own_database, tmp_path)
    yield found
    found.query("DELETE FROM servers")
    found.query("TRUNCATE jobs, looks, procrastinate.procrastinate_workers, procrastinate.procrastinate_jobs CASCADE")


@pytest.fixture
def make_home(queue: Queue) -> MakeHome:
    def make(name: str, **settings: Any) -> Server:
        with queue.engine.begin() as connection:
            return put_server(connection, name, name, "api", settings)[0]

    return make


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heavy jobs too, so that what they load is loaded once for the run."""
    monkeypatch.setattr("jobs.running.HEAVY", frozenset())
