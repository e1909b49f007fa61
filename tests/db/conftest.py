import pytest

from app.db import Engine
from app.types import Server
from tests.db.household import House


@pytest.fixture
def house(engine: Engine, server: Server) -> House:
    return House(engine, server.id)
