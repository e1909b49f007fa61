"""Rows that are made up for benchmarks, written past ingest, and the floor that a search is compared with."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, text

from app.db import arrays
from app.db.asker import Asker
from app.db.statements import statement

Ints = npt.NDArray[np.int64]


def make_items(connection: Connection, server_id: int, n_items: int) -> Ints:
    """Films without a story, one entry each. Returns our ids."""
    connection.execute(statement("bench", "make_items"), {"server_id": server_id, "n_items": n_items})
    connection.execute(statement("bench", "name_entries"), {"server_id": server_id})
    return np.array(connection.execute(statement("bench", "item_ids"), {"server_id": server_id}).scalars().all(), dtype=np.int64)


def make_users(connection: Connection, server_id: int, n_users: int) -> Ints:
    rows = connection.execute(statement("bench", "make_users"), {"server_id": server_id, "n_users": n_users})
    return np.array(rows.scalars().all(), dtype=np.int64)


def make_engagement(connection: Connection, server_id: int, user_ids: Ints, item_ids: Ints, orders: Ints) -> None:
    """One whole play each; the arrays are equally long."""
    ones = np.ones(len(user_ids), dtype=np.int64)
    _watched(connection, server_id, user_ids, item_ids, orders, {"n_plays": (ones, "i4"), "completion": (ones, "f4")})


def make_ratings(connection: Connection, server_id: int, user_ids: Ints, item_ids: Ints, orders: Ints, ratings: npt.NDArray[Any]) -> None:
    """Watched and rated 0..10, NaN where not, in this order, -1 where none is known; the arrays are equally long."""
    _watched(connection, server_id, user_ids, item_ids, orders, {"rating": (ratings, "f4")})
    connection.execute(statement("bench", "forget_unknown"), {"server_id": server_id})


def _watched(
    connection: Connection, server_id: int, user_ids: Ints, item_ids: Ints, orders: Ints, more: dict[str, tuple[npt.NDArray[Any], str]]
) -> None:  # fmt: skip
    """`more`: other columns and their types."""
    ones = np.ones(len(user_ids), dtype=np.int64)
    columns = {"server_id": ones * server_id, "user_id": user_ids, "item_id": item_ids, "last_order": orders, "is_seen": ones}
    fields = {"server_id": "i8", "user_id": "i8", "item_id": "i8", "last_order": "i8", "is_seen": "i1"}
    columns |= {name: values for name, (values, _) in more.items()}
    arrays.write_array(connection, "engagement", columns, fields | {name: kind for name, (_, kind) in more.items()})


def forget_users(connection: Connection, server_id: int) -> None:
    for name in ("forget_engagement", "forget_all_tastes", "forget_users"):
        connection.execute(statement("bench", name), {"server_id": server_id})


def forget_models(connection: Connection, server_id: int) -> None:
    connection.execute(statement("bench", "forget_models"), {"server_id": server_id})


def item_ids_of(connection: Connection, server_id: int) -> dict[str, int]:
    """Ours by the media server's own."""
    return {row.external_id: row.item_id for row in connection.execute(statement("bench", "item_ids_of"), {"server_id": server_id})}


def settle(engine: Engine) -> None:
    """Statistics and a checkpoint, so that a measurement meets neither."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))


def nearest(connection: Connection, server_id: int, asker: Asker, limit: int) -> list[int]:
    assert asker.space is not None
    sql = statement("bench", "nearest").text.format(shelf=asker.space.shelf, dimension=asker.space.dimension, limit=limit)
    values = {"server_id": server_id, "user_id": asker.viewer.user_id, "space_id": asker.space.id}
    return list(connection.execute(text(sql), values).scalars())
