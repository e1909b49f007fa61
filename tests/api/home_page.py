"""A home page as a person meets it, and how a household is told of."""

from datetime import UTC, datetime
from typing import Any

from fastapi.testclient import TestClient

from app.db import Engine
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_tastes
from tests.api.rows import send
from tests.api.test_taste import ago, ask
from tests.db.household import Body, film, play

# Interests stand between the picks and the new.


class Page:
    """A server of the test's own: told things, then asked for its home page, as ada unless another is named."""

    def __init__(self, client: TestClient, engine: Engine, server: Server) -> None:
        self.client, self.engine, self.server = client, engine, server

    def send(self, name: str, *rows: Body) -> None:
        assert send(self.client, self.server, name, list(rows))["rejected"] == []

    def refresh(self) -> None:
        """Tastes and statistics are stored, as the worker does within a second and each night."""
        refresh_tastes(self.engine, self.server.id, datetime.now(UTC), unseen)

    def rows(self, user_id: str = "ada", limit: int = 50) -> dict[str, Any]:
        answer = ask(self.client, self.server, "/home", user_id=user_id, limit=limit)
        return {row["id"]: row for row in answer["rows"]}

    def ids(self, row_id: str, user_id: str = "ada", limit: int = 50) -> list[str]:
        return ids_in(self.rows(user_id, limit).get(row_id, {"items": []}))

    def titles(self, user_id: str = "ada", limit: int = 50) -> dict[str, str]:
        return {name: row["title"] for name, row in self.rows(user_id, limit).items()}


def titled(item_id: str, **more: Any) -> Body:
    """A film of no franchise: numbers at the end of a name would make one."""
    return film(item_id, f"{item_id} film", **more)


def ids_in(row: Any) -> list[str]:
    return [item["item_id"] for item in row["items"]]


def kind_of(row_id: str) -> str:
    return "interest" if row_id.startswith("interest-") else row_id


def watched(item_id: str, days_ago: float, percent: float = 100, user_id: str = "ada") -> Body:
    return play(user_id, item_id, started_at=ago(days_ago), percent=percent)
