"""What holds rows against each other after a kill sees what is wrong with them."""

import pytest
from sqlalchemy import text

from app.db import Engine
from app.types import Server
from tests.db.household import House, film, play, signal, user
from tests.db.order import faults


@pytest.fixture
def house(engine: Engine, server: Server) -> House:
    house = House(engine, server.id)
    house.items(film("heat", runtime_seconds=6000), film("ronin", runtime_seconds=6000))
    house.users(user("ada"), user("bo"))
    house.plays(play("ada", "heat", percent=100), play("bo", "ronin", percent=40))
    house.signals(signal("ada", "ronin", "rating", 8))
    return house


def test_nothing_is_wrong_with_what_was_told(house: House) -> None:
    assert faults(house.engine, house.server_id) == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE engagement SET n_plays = 2 WHERE server_id = :id AND n_plays = 1", "engagement that are not"),
        ("DELETE FROM plays WHERE server_id = :id", "engagement that are not"),
        ("DELETE FROM engagement WHERE server_id = :id", "engagement that are not"),
        ("UPDATE plays SET entry_id = 0 - entry_id WHERE server_id = :id", "rows of plays whose entry_id is nobody's"),
        ("UPDATE signals SET user_id = 0 - user_id WHERE server_id = :id", "rows of signals whose user_id is nobody's"),
        (
            "INSERT INTO tastes SELECT :id, id, 99999999, 0, NULL, '{}', '{}', 0, 0, now() FROM users WHERE server_id = :id",
            "rows of tastes whose space_id is nobody's",
        ),
        (
            "INSERT INTO spaces (server_id, kind, status, model_name, model_digest, template_version, dimension, shelf) "
            "VALUES (:id, 'text', 'live', '', '', 1, 4, -4)",
            "2 titles have no vector of their text",
        ),
        (
            "INSERT INTO spaces (server_id, kind, status, model_name, model_digest, template_version, dimension, shelf) "
            "VALUES (:id, 'collab', 'live', '', '', 1, 4, -4)",
            "2 titles that were watched have no vector",
        ),
        (
            "INSERT INTO spaces (server_id, kind, status, model_name, model_digest, template_version, dimension, shelf) "
            "VALUES (:id, 'collab', 'building', '', '', 1, 4, -4)",
            "1 spaces are building",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_seen(house: House, no_model_stays: None, sql: str, expected: str) -> None:
    with house.engine.begin() as connection:
        connection.execute(text(sql), {"id": house.server_id})
    assert any(expected in one for one in faults(house.engine, house.server_id))
