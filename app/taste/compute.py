"""Tastes from rows: engagement and vectors in, tastes out."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from app.db import Connection, tastes
from app.db.tastes import UserTaste
from app.taste.profile import taste_of
from app.taste.weights import History
from app.types import Space, SpaceInUse

# (user id, engagement version)
Users = Sequence[tuple[int, int]]


def compute_tastes(connection: Connection, space: Space | SpaceInUse, users: Users, now: datetime) -> list[UserTaste]:
    """The tastes of these users at `now`, one each, in two statements. Reads only."""
    rows = tastes.read_histories(connection, space.server_id, [user_id for user_id, _ in users])
    vectors = tastes.read_history_vectors(connection, space, np.unique(rows["item_id"]))
    matrix = vectors["vector"].astype(np.float32)
    found = np.searchsorted(vectors["item_id"], rows["item_id"])
    found = np.minimum(found, max(len(vectors) - 1, 0))
    positions = np.where(vectors["item_id"][found] == rows["item_id"], found, -1) if len(vectors) else np.full(len(rows), -1)
    computed = []
    for user_id, version in users:
        mine = slice(*np.searchsorted(rows["user_id"], [user_id, user_id + 1]))
        taste = taste_of(History.from_rows(rows[mine]), matrix, positions[mine], now.timestamp())
        computed.append(UserTaste(user_id, version, taste.vector, taste.heaviest, taste.weights, taste.n_items, taste.due_at))
    return computed
