"""Engagement out, tastes in; and the statistics of items."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from app.db import arrays
from app.db.statements import statement
from app.types import Space, SpaceInUse

HISTORY_FIELDS = {
    "user_id": "i8", "item_id": "i8", "is_series": "i4", "n_plays": "i4", "n_episodes": "i4", "completion": "f4", "rating": "f4",
    "last_at": "f8", "last_order": "f8", "is_favourite": "i4", "liking": "i4", "is_watchlisted": "i4", "is_hidden": "i4", "is_seen": "i4",
}  # fmt: skip

HISTORY_SQL = """
    SELECT g.user_id, g.item_id, (i.kind = 'series')::int, g.n_plays, g.n_episodes,
           coalesce(g.completion, 'NaN'), coalesce(g.rating, 'NaN'),
           coalesce(extract(epoch FROM g.last_at)::float8, 'NaN'), coalesce(g.last_order::float8, 'NaN'),
           g.is_favourite::int, CASE g.is_liked WHEN true THEN 1 WHEN false THEN -1 ELSE 0 END,
           g.is_watchlisted::int, g.is_hidden::int, g.is_seen::int
    FROM engagement g
    JOIN items i ON i.server_id = g.server_id AND i.id = g.item_id
    WHERE g.server_id = %(server_id)s AND g.user_id = ANY (%(user_ids)s)
    ORDER BY g.user_id, g.item_id
"""


@dataclass(frozen=True)
class UserTaste:
    """A row to write: `vector` of unit length, or None; `due_at` in seconds since 1970."""

    user_id: int
    engagement_version: int
    vector: npt.NDArray[np.float32] | None
    item_ids: npt.NDArray[np.int64]
    item_weights: npt.NDArray[np.float32]
    n_items: int
    due_at: float | None


def users_with_engagement(connection: Connection, server_id: int) -> list[tuple[int, int]]:
    """(user id, engagement version) of everybody who has a taste or could have one."""
    rows = connection.execute(statement("tastes", "users_with_engagement"), {"server_id": server_id})
    return [(row.id, row.engagement_version) for row in rows]


def stale_users(connection: Connection, space: Space, now: datetime) -> list[tuple[int, int]]:
    """(user id, engagement version) of those whose taste in the space is missing, older than their engagement, or due."""
    rows = connection.execute(statement("tastes", "stale_users"), {"server_id": space.server_id, "space_id": space.id, "now": now})
    return [(row.id, row.engagement_version) for row in rows]


def read_histories(connection: Connection, server_id: int, user_ids: Sequence[int]) -> npt.NDArray[Any]:
    """Engagement by user and item, as a structured array of HISTORY_FIELDS; NaN where a value is unknown."""
    return arrays.read_array(connection, HISTORY_SQL, {"server_id": server_id, "user_ids": list(user_ids)}, HISTORY_FIELDS)


def read_history_vectors(
    connection: Connection, space: Space | SpaceInUse, item_ids: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[Any]:
    """`item_id` and `vector` (float16) of the space's items, or of those named, by item."""
    sql = """
        SELECT item_id, coalesce(history, target)
        FROM item_vectors
        WHERE server_id = %(server_id)s AND space_id = %(space_id)s AND shelf = %(shelf)s
          AND (%(item_ids)s::bigint[] IS NULL OR item_id = ANY (%(item_ids)s))
        ORDER BY item_id
    """
    values = {
        "server_id": space.server_id, "space_id": space.id, "shelf": space.shelf,
        "item_ids": None if item_ids is None else item_ids.tolist(),
    }  # fmt: skip
    return arrays.read_array(connection, sql, values, {"item_id": "i8", "vector": arrays.halfvec(space.dimension)})


def write_tastes(connection: Connection, space: Space, tastes: Sequence[UserTaste], now: datetime) -> None:
    for table in ("staged_tastes", "staged_heaviest"):
        connection.execute(statement("tastes", f"create_{table}"))
        connection.execute(text(f"DELETE FROM {table}"))
    nothing = np.zeros(space.dimension, dtype=np.float32)
    columns = {
        "user_id": [taste.user_id for taste in tastes],
        "engagement_version": [taste.engagement_version for taste in tastes],
        "n_items": [taste.n_items for taste in tastes],
        "due_at": [np.nan if taste.due_at is None else taste.due_at for taste in tastes],
        "has_taste": [taste.vector is not None for taste in tastes],
        "taste": np.array([nothing if taste.vector is None else taste.vector for taste in tastes]),
    }
    fields = {"user_id": "i8", "engagement_version": "i8", "n_items": "i4", "due_at": "f8", "has_taste": "i4"}
    arrays.write_array(connection, "staged_tastes", columns, fields | {"taste": arrays.halfvec(space.dimension)})
    heaviest = {
        "user_id": np.repeat([taste.user_id for taste in tastes], [len(taste.item_ids) for taste in tastes]),
        "item_id": np.concatenate([taste.item_ids for taste in tastes]),
        "weight": np.concatenate([taste.item_weights for taste in tastes]),
    }
    arrays.write_array(connection, "staged_heaviest", heaviest, {"user_id": "i8", "item_id": "i8", "weight": "f4"})
    connection.execute(statement("tastes", "write_tastes"), {"server_id": space.server_id, "space_id": space.id, "now": now})


def forget_tastes(connection: Connection, server_id: int) -> None:
    """Drop the tastes of users who opted out or were erased."""
    connection.execute(statement("tastes", "forget_tastes"), {"server_id": server_id})


def write_statistics(connection: Connection, server_id: int) -> int:
    """Who watched what, priors and popularity of the server's items. Returns how many changed."""
    connection.execute(statement("items", "lock_exclusive"), {"server_id": server_id})
    return connection.execute(statement("tastes", "write_statistics"), {"server_id": server_id}).rowcount
