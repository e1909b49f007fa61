"""What the tests of packs share, and small text models."""

from datetime import datetime
from pathlib import Path

import pytest

from app.connect.pack import Pack, read_pack, write_pack
from app.db import Engine
from app.types import Server, unseen
from jobs.packs import build_from_movielens
from tests.jobs.films import FEW, Home, write_movielens
from tests.jobs.text_models import write_text_model
from tests.jobs.two_models import WORDS


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
