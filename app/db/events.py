"""What everybody of a server watched: what item vectors are learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
    ORDER BY g.user_id, g.item_id
"""


def read_engagement(connection: Connection, server_id: int) -> npt.NDArray[Any]:
    """Engagement of everybody who may be learned from, by user and item, as `app.db.tastes.read_histories` reads it."""
    return arrays.read_array(connection, SQL, {"server_id": server_id}, HISTORY_FIELDS)


def state_of_people(connection: Connection, server_id: int) -> dict[str, Any]:
    """Differs wherever what may be learned from does: `engagement` rises with each change of anybody's, `left_out` tells who opted out or
    was erased."""
    state: dict[str, Any] = connection.execute(statement("users", "state_of_people"), {"server_id": server_id}).scalar_one()
    return state


@dataclass(frozen=True)
class LearningState:
    """What a revision of the collab space was last learned from, whether it went live or not, and what there is now; `n_users` and `n_seen`
    are counted up to `enough`."""

    learned_at: datetime | None
    learned_people: dict[str, Any] | None
    people: dict[str, Any]
    n_users: int
    n_seen: int


def learning_state(connection: Connection, server_id: int, enough: int) -> LearningState:
    row = connection.execute(statement("spaces", "learning_state"), {"server_id": server_id, "enough": enough}).one()
    learned_at = None if row.learned_at is None else datetime.fromisoformat(row.learned_at)
    return LearningState(learned_at, row.learned_people, state_of_people(connection, server_id), row.n_users, row.n_seen)


def read_bodies(connection: Connection, server_id: int, item_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What the media server said of these items, by our id; without those that it never described."""
    rows = connection.execute(statement("items", "read_bodies"), {"server_id": server_id, "item_ids": list(item_ids)})
    return {row.id: row.body for row in rows}
