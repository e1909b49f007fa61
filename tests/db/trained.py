"""Models of a test's own, and how they did."""

from datetime import datetime
from typing import Any

from app.db import Connection, Engine, models
from app.db.tables import models as table
from app.types import Model, Server
from tests.db.household import DAY_ONE

REVISION = "abc123"
BETTER = {"ndcg@10": 0.012, "ci95": [0.004, 0.02], "n_cases": 812}
NOT_WORSE = {"ndcg@10": -0.001, "ci95": [-0.003, 0.001], "n_cases": 812}
WORSE = {"ndcg@10": -0.012, "ci95": [-0.02, -0.004], "n_cases": 812}


def trained(
    connection: Connection, server: Server, content: bytes = b"a ranker", at: datetime = DAY_ONE, name: str = "lambdamart", **beside: Any
) -> int:
    """A candidate; `beside`: its differences to others."""
    metrics = {"ndcg@10": 0.2, "ci95": [0.19, 0.21], "hr@10": 0.33, "n_cases": 812, "against": beside}
    return models.create_model(
        connection, server.id, name, content,
        parameters={"n_leaves": 63, "n_trees": 400},
        metrics=metrics,
        data_window={"from": "2026-01-01", "to": "2026-06-01"},
        card={"importance": {f"feature {number}": number / 10 for number in range(20)}},
        code_revision=REVISION,
        now=at,
    )  # fmt: skip


def statuses(connection: Connection, server: Server) -> dict[int, str]:
    return {model.id: model.status for model in models.list_models(connection, server.id)}


def get(connection: Connection, server: Server, model_id: int) -> Model:
    return models.get_model(connection, server.id, model_id)


def damage(connection: Connection, model_id: int) -> None:
    connection.execute(table.update().where(table.c.id == model_id).values(bytes=b"something else"))


def delete_trained(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(table.delete().where(table.c.code_revision == REVISION))
