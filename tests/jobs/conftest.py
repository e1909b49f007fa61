"""What the tests of packs share, small text models, and the command."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli import app
from app.connect.pack import Pack, read_pack, write_pack
from app.db import Engine
from app.types import Server, unseen
from jobs.packs import build_from_movielens
from tests.jobs.films import FEW, Home, write_movielens
from tests.jobs.text_models import write_text_model
from tests.jobs.two_models import WORDS

Palate = Callable[..., Result]


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
