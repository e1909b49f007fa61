"""Which slates are logged, and which with their features."""

from dataclasses import replace
from datetime import datetime
from random import Random
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import text

from app.db import Engine
from app.db.slates import ServedSlate
from app.recommend.pipeline import recommend
from app.recommend.slate_log import SlateLog
from app.types import Filters, Server, Slate
from tests.db.household import House, film, user

N_SLATES, N_FEATURES = 400, 3


@pytest.fixture
def slate(engine: Engine, server: Server, now: datetime) -> Slate:
    """Of three films, as if a ranker had put them in order."""
    house = House(engine, server.id)
    house.items(*(film(f"f{number}") for number in range(3)))
    house.users(user("ada"))
    with engine.begin() as connection:
        found = recommend(connection, server, "ada", Filters(), limit=5, offset=0, explain=False, now=now, slate_id=uuid4())
    features = np.arange(3 * N_FEATURES, dtype=np.float32).reshape(3, N_FEATURES)
    features[1, 1] = np.nan
    return replace(found, model_id=7, features=features)


def logged(engine: Engine, server: Server, slate: Slate, now: datetime, *shares: float, rows: tuple[str, ...] = ("a", "b")) -> set[object]:
    """(id, row, whether with features) of the same slates, logged with these shares."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM slates WHERE server_id = :id"), {"id": server.id})
    log, random = SlateLog(engine, *shares), Random(1)
    log.start()
    for _ in range(N_SLATES):
        served = replace(slate, id=UUID(int=random.getrandbits(128)))
        for row in rows:
            log.add(ServedSlate(server.id, now, served, row))
    log.stop()
    assert log.n_dropped == 0
    with engine.begin() as connection:
        sql = "SELECT id, row_id, features IS NOT NULL FROM slates WHERE server_id = :id"
        return {tuple(row) for row in connection.execute(text(sql), {"id": server.id})}


def test_features_come_back_as_the_ranker_saw_them(engine: Engine, server: Server, slate: Slate, now: datetime) -> None:
    assert len(logged(engine, server, slate, now, 1.0, 1.0)) == 2 * N_SLATES
    with engine.begin() as connection:
        sql = "SELECT model_id, features FROM slates WHERE server_id = :id LIMIT 1"
        found = connection.execute(text(sql), {"id": server.id}).one()
    assert found.model_id == 7
    np.testing.assert_array_equal(np.array(found.features, dtype=np.float32).reshape(-1, N_FEATURES), slate.features)


def test_a_share_of_none_keeps_no_features(engine: Engine, server: Server, slate: Slate, now: datetime) -> None:
    found = logged(engine, server, slate, now, 1.0, 0.0)
    assert (len(found), {row[2] for row in found}) == (2 * N_SLATES, {False})


def test_what_is_sampled_follows_from_the_id(engine: Engine, server: Server, slate: Slate, now: datetime) -> None:
    found = logged(engine, server, slate, now, 0.5, 0.3, rows=("a", "b"))
    assert found == logged(engine, server, slate, now, 0.5, 0.3, rows=("a", "b"))
    of_row = {name: {(row[0], row[2]) for row in found if row[1] == name} for name in ("a", "b")}
    assert of_row["a"] == of_row["b"]
    # Five standard deviations.
    assert abs(len(of_row["a"]) - 200) < 50
    assert abs(sum(one[1] for one in of_row["a"]) - 60) < 36
    assert found <= {(*row[:2], flag) for row in logged(engine, server, slate, now, 0.8, 0.3) for flag in (row[2],)}
