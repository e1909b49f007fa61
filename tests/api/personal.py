"""A household of which every table that can hold something personal holds a row, and what is left of one of them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Connection, Engine, spaces
from app.db.live import put_sitting
from app.db.playlists import intend_playlist
from app.db.queue import ask_for
from app.db.slates import ServedSlate, write_slates
from app.db.tables import metadata
from app.ingest_types import Sitting
from app.types import Server, Slate, unseen
from jobs.refresh_tastes import refresh_tastes
from tests.api.rows import send
from tests.db.household import film, play, signal, user

PERSONAL = sorted(name for name, table in metadata.tables.items() if "user_id" in table.columns)
NOTHING = dict.fromkeys(PERSONAL, 0)
N_FILMS = 6


def tell_of_ada_and_bo(client: TestClient, server: Server) -> None:
    """Ada watched two films, waits for a third, hid one, and is limited to a library; Bo watched one."""
    send(client, server, "items", [film(f"f{number}", library_id="films") for number in range(N_FILMS)])
    send(client, server, "users", [user(name, library_ids=["films"]) for name in ("ada", "bo")])
    send(client, server, "plays", [play(*one, completed=True) for one in (("ada", "f0"), ("ada", "f1"), ("ada", "to come"), ("bo", "f1"))])
    send(client, server, "signals", [signal("ada", "f2", "hide"), signal("ada", "to come", "like"), signal("bo", "f3", "like")])


def serve_and_compute(engine: Engine, server: Server, now: datetime) -> None:
    """Tastes in a small text space, and a slate each."""
    with engine.begin() as connection:
        space = spaces.create_space(connection, server.id, "text", "planted", "planted", 1, 4, N_FILMS)
        sql = "SELECT id FROM items WHERE server_id = :server_id ORDER BY id"
        item_ids = np.array(connection.execute(text(sql), {"server_id": server.id}).scalars().all())
        vectors = np.eye(4, dtype=np.float32)[np.arange(len(item_ids)) % 4]
        spaces.set_centre(connection, space, np.zeros(4, dtype=np.float32), "items")
        ones, digests = np.ones(len(item_ids), dtype=np.float32), np.zeros(len(item_ids), dtype="V32")
        spaces.write_vectors(connection, space, item_ids, vectors, ones, digests)
        spaces.go_live(connection, space, now)
        write_slates(connection, [served(connection, server, name) for name in ("ada", "bo")])
        for name in ("ada", "bo"):
            ask_for(connection, "refresh-tastes", server, name, now)
            put_sitting(connection, server.id, str(uuid4()), name, Sitting(now, None, 0, now, None))
            intend_playlist(connection, server.id, id_of(connection, server, name), "For you", [], [])
    refresh_tastes(engine, server.id, now, unseen)


def served(connection: Connection, server: Server, name: str) -> ServedSlate:
    user_id = id_of(connection, server, name)
    slate = Slate(id=uuid4(), user_id=user_id, source="popular", degraded=(), space_ids=(), items=(), next_offset=None)
    return ServedSlate(server.id, datetime.now(UTC), slate)


def id_of(connection: Connection, server: Server, name: str) -> int:
    return int(users_row(connection, server, name)["id"])


def users_row(connection: Connection, server: Server, name: str) -> dict[str, Any]:
    sql = "SELECT * FROM users WHERE server_id = :server_id AND external_id = :name"
    return dict(connection.execute(text(sql), {"server_id": server.id, "name": name}).one()._mapping)


def rows_of(engine: Engine, server: Server, name: str) -> dict[str, int]:
    """How many rows each table has of this user, `users` aside."""
    with engine.begin() as connection:
        values = {"server_id": server.id, "user_id": id_of(connection, server, name)}
        where = "WHERE server_id = :server_id AND user_id = :user_id"
        return {table: int(connection.execute(text(f"SELECT count(*) FROM {table} {where}"), values).scalar_one()) for table in PERSONAL}


def erase(client: TestClient, server: Server, name: str, **options: Any) -> Any:
    return client.delete(f"/users/{name}", params={"server_id": server.external_id}, **options)
