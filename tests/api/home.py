"""A library of three titles on a server of its own, asked over HTTP."""

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine
from app.types import Server
from tests.api.rows import recommended, send
from tests.db.household import episode, film, series, user

EVERYTHING = {"heat", "ronin", "s"}
# The title as it is listed, and what may be named in its place.
NAMES = {"heat": ("heat",), "ronin": ("ronin", "ronin-4k"), "s": ("s", "e", "n")}


class Home:
    """Asked as ada, unless another is named."""

    def __init__(self, client: TestClient, engine: Engine, server: Server) -> None:
        self.client, self.engine, self.server = client, engine, server

    def send(self, name: str, *rows: Any) -> None:
        assert send(self.client, self.server, name, list(rows))["rejected"] == []

    def call(self, method: str, path: str, **options: Any) -> Any:
        return self.client.request(method, path, params={"server_id": self.server.external_id}, **options)

    def hide(self, item_id: str, user_id: str = "ada") -> Any:
        return self.call("POST", f"/users/{user_id}/hidden/{item_id}")

    def unhide(self, item_id: str, user_id: str = "ada") -> Any:
        return self.call("DELETE", f"/users/{user_id}/hidden/{item_id}")

    def hidden(self, user_id: str = "ada") -> list[Any]:
        answer = self.call("GET", f"/users/{user_id}/hidden")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def hidden_ids(self, user_id: str = "ada") -> list[str]:
        return [item["item_id"] for item in self.hidden(user_id)]

    def suggested(self, user_id: str = "ada") -> set[str]:
        answer = recommended(self.client, self.server, user_id, limit=100, include_seen=True)
        return {item["item_id"] for item in answer["items"]}

    def rows(self, sql: str) -> list[Any]:
        with self.engine.begin() as connection:
            return list(connection.execute(text(sql), {"server_id": self.server.id}))

    def version(self) -> int:
        return int(self.rows("SELECT engagement_version FROM users WHERE server_id = :server_id AND external_id = 'ada'")[0][0])


def make_home(client: TestClient, engine: Engine, server: Server) -> Home:
    """A film, one of two versions, and a series with a season and an episode; for ada and bo."""
    made = Home(client, engine, server)
    made.send("users", user("ada"), user("bo"))
    made.send(
        "items", film("heat", year=1995), film("ronin", provider_ids={"tmdb": "8195"}),
        film("ronin-4k", "Film ronin", provider_ids={"tmdb": "8195"}), series("s", year=2015), episode("e", "s", 1),
        {"item_id": "n", "type": "season", "name": "Season 1", "series_id": "s", "season_number": 1},
    )  # fmt: skip
    return made
