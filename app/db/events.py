"""What everybody of a server watched, in each one's order: what item vectors are learned from."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from sqlalchemy import Connection

from app.db import arrays
from app.db.statements import statement
from app.db.tastes import HISTORY_COLUMNS, HISTORY_FIELDS

SQL = f"""
    SELECT {HISTORY_COLUMNS}
    FROM engagement g
    JOIN items i ON i.server_id = g.server_id AND i.id = g.item_id
    JOIN users u ON u.server_id = g.server_id AND u.id = g.user_id AND NOT u.is_opted_out AND u.erased_at IS NULL
    WHERE g.server_id = %(server_id)s
    -- Oldest first: by time, then by order, then by our id; what has neither came before what has.
    ORDER BY g.user_id, coalesce(g.last_at, g.said_at) NULLS FIRST, g.last_order NULLS FIRST, g.item_id
"""


def read_engagement(connection: Connection, server_id: int) -> npt.NDArray[Any]:
    """Engagement of everybody who may be learned from, by user and oldest first; as `app.db.tastes.read_histories` otherwise."""
    return arrays.read_array(connection, SQL, {"server_id": server_id}, HISTORY_FIELDS)


def read_bodies(connection: Connection, server_id: int, item_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What the media server said of these items, by our id; without those that it never described."""
    rows = connection.execute(statement("items", "read_bodies"), {"server_id": server_id, "item_ids": list(item_ids)})
    return {row.id: row.body for row in rows}
