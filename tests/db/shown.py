"""Slates as if they had been served."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert, text

from app.db import Engine
from app.db.tables import slates
from app.types import Server

Features = npt.NDArray[np.float32]


class Shown:
    """What was shown to the people of one server."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self.engine, self.server = engine, server

    def show(
        self, who: str, at: datetime, *titles: str, sources: str | None = "text", features: Features | None = None, **more: Any
    ) -> None:
        """Titles by the id of an entry, in order; `features` a row for each."""
        row: dict[str, Any] = {
            "server_id": self.server.id, "id": uuid4(), "user_id": self._ids("users", "id", [who])[0], "served_at": at,
            "source": "personal", "space_ids": [], "item_ids": self._ids("entries", "item_id", titles), "scores": [1.0] * len(titles),
            "sources": None if sources is None else [sources] * len(titles),
            "features": None if features is None else features.ravel().tolist(),
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(slates), row | more)

    def rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        sql = f"SELECT {columns} FROM {table} WHERE server_id = :server_id ORDER BY {columns}"
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql), {"server_id": self.server.id})]

    def _ids(self, table: str, column: str, names: Any) -> list[int]:
        sql = f"SELECT external_id, {column} FROM {table} WHERE server_id = :server_id AND external_id = ANY (:names)"
        with self.engine.begin() as connection:
            rows = connection.execute(text(sql), {"server_id": self.server.id, "names": list(names)})
            found = {row[0]: row[1] for row in rows}
        return [found[name] for name in names]
