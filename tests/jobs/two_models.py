"""A household whose text model changes: `blue` serves, `green` comes after it."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from app.db import Engine, spaces, text_spaces
from app.types import Server, Space, unseen
from jobs.embed_items import Embedded, embed_items
from tests.recommend.test_pipeline import KITCHEN_FILMS, SPACE_FILMS, Household, film, play

WORDS = " ".join(about for *_, about in SPACE_FILMS + KITCHEN_FILMS).replace(",", "")


class TwoModels(Household):
    def __init__(self, engine: Engine, server: Server, blue: str, green: str) -> None:
        super().__init__(engine, server)
        self.blue, self.green = blue, green
        self.send(
            items=[film(*one) for one in SPACE_FILMS + KITCHEN_FILMS],
            users=[{"user_id": name, "name": name.title()} for name in ("ada", "bo")],
            plays=[play("ada", "s1"), play("bo", "k1")],
        )

    def embed(self, model_name: str, progress: Any = unseen) -> Embedded:
        return embed_items(self.engine, self.server, model_name, datetime.now(UTC), progress)

    def change(self) -> tuple[Space, Space]:
        """From blue to green; the spaces of both."""
        self.embed(self.blue)
        blue = self.live()
        self.embed(self.green)
        return blue, self.live()

    def live(self) -> Space:
        with self.engine.begin() as connection:
            space = spaces.live_space(connection, self.server.id, "text")
        assert space is not None
        return space

    def statuses(self) -> dict[str, str]:
        """Of each space, by the last part of its model's name."""
        return {row.model_name.rpartition("/")[2]: row.status for row in self.rows("spaces", "model_name, status", "id")}

    def go_back(self, space: Space, setting: str) -> int:
        with self.engine.begin() as connection:
            return text_spaces.go_back(connection, self.server.id, space.id, setting, datetime.now(UTC))[1]

    def n_missing(self, space: Space) -> int:
        with self.engine.begin() as connection:
            return spaces.n_items_to_embed(connection, space)

    def lose(self, space: Space, share: float = 1.0) -> None:
        """Its vectors go, and somebody looks."""
        self.delete_vectors(space, share)
        with self.engine.begin() as connection:
            text_spaces.note_losses(connection, self.server.id, datetime.now(UTC))

    def delete_vectors(self, space: Space, share: float = 1.0) -> None:
        """As by an accident in the database."""
        with self.engine.begin() as connection:
            n_lost = round(share * spaces.n_vectors(connection, space))
            sql = """
                DELETE FROM item_vectors v WHERE v.server_id = :server_id AND v.space_id = :space_id AND v.item_id IN (
                    SELECT item_id FROM item_vectors WHERE server_id = :server_id AND space_id = :space_id ORDER BY item_id LIMIT :n)
            """
            connection.execute(text(sql), {"server_id": self.server.id, "space_id": space.id, "n": n_lost})

    def rows(self, table: str, columns: str, order: str) -> list[Any]:
        sql = f"SELECT {columns} FROM {table} WHERE server_id = :server_id ORDER BY {order}"
        with self.engine.begin() as connection:
            return list(connection.execute(text(sql), {"server_id": self.server.id}).all())
