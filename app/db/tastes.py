"""Engagement out, tastes in; and the statistics of items."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from app.db import arrays
from app.db.erase import hold_present
from app.db.statements import statement
from app.db.versions import touch_catalogue
from app.types import Space, SpaceInUse

HISTORY_FIELDS = {
    "user_id": "i8", "item_id": "i8", "is_series": "i4", "n_plays": "i4", "n_episodes": "i4", "completion": "f4", "played_ratio": "f4",
    "rating": "f4",
    "last_at": "f8", "last_order": "f8", "first_at": "f8", "first_order": "f8",
    "is_favourite": "i4", "liking": "i4", "is_watchlisted": "i4", "is_hidden": "i4", "is_seen": "i4",
}  # fmt: skip

HISTORY_COLUMNS = """g.user_id, g.item_id, (i.kind = 'series')::int, g.n_plays, g.n_episodes,
           coalesce(g.completion, 'NaN'), coalesce(g.played_ratio, 'NaN'), coalesce(g.rating, 'NaN'),
           -- A refusal is as old as the word, all else as old as the watching where there was any.
           coalesce(extract(epoch FROM coalesce(CASE WHEN g.is_hidden OR g.is_liked IS FALSE THEN g.said_at END,
                                                g.last_at, g.said_at))::float8, 'NaN'), coalesce(g.last_order::float8, 'NaN'),
           coalesce(extract(epoch FROM g.first_at)::float8, 'NaN'), coalesce(g.first_order::float8, 'NaN'),
           g.is_favourite::int, CASE g.is_liked WHEN true THEN 1 WHEN false THEN -1 ELSE 0 END,
           g.is_watchlisted::int, g.is_hidden::int, g.is_seen::int"""

HISTORY_SQL = f"""
    SELECT {HISTORY_COLUMNS}
    FROM engagement g
    JOIN items i ON i.server_id = g.server_id AND i.id = g.item_id
    WHERE g.server_id = %(server_id)s AND g.user_id = ANY (%(user_ids)s)
    ORDER BY g.user_id, g.item_id
"""


# In place of a facet's number, among what is staged: the latest titles, which "weigh" less the older they are.
RECENT = -1


@dataclass(frozen=True)
class UserFacet:
    """An interest inside a taste: `vector` of unit length, items by falling weight, `share` of the positive weight."""

    vector: npt.NDArray[np.float32]
    item_ids: npt.NDArray[np.int64]
    item_weights: npt.NDArray[np.float32]
    share: float
    label: str | None


@dataclass(frozen=True)
class UserTaste:
    """What is stored of a user: `vector` of unit length, or None; `due_at` in seconds since 1970."""

    user_id: int
    engagement_version: int
    recipe: str
    vector: npt.NDArray[np.float32] | None
    item_ids: npt.NDArray[np.int64]
    item_weights: npt.NDArray[np.float32]
    n_items: int
    due_at: float | None
    facets: Sequence[UserFacet]
    recent_ids: npt.NDArray[np.int64]


def users_with_engagement(connection: Connection, server_id: int) -> list[tuple[int, int]]:
    """(user id, engagement version) of everybody who has a taste or could have one."""
    rows = connection.execute(statement("tastes", "users_with_engagement"), {"server_id": server_id})
    return [(row.id, row.engagement_version) for row in rows]


def stale_users(connection: Connection, space: Space, recipe: str, now: datetime) -> list[tuple[int, int]]:
    """(user id, engagement version) of those whose taste is missing, older than their engagement, due, or of another recipe."""
    values = {"server_id": space.server_id, "space_id": space.id, "recipe": recipe, "now": now}
    rows = connection.execute(statement("tastes", "stale_users"), values)
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


def read_traits(
    connection: Connection, server_id: int, item_ids: Sequence[int]
) -> list[tuple[int, str, int | None, Sequence[str], Sequence[str]]]:
    """(item id, kind, year, genres, tags) of these items."""
    if not item_ids:
        return []
    rows = connection.execute(statement("tastes", "read_traits"), {"server_id": server_id, "item_ids": list(item_ids)})
    return [(row.id, row.kind, row.year, row.genres, row.tags or ()) for row in rows]


def heaviest_seen(connection: Connection, server_id: int, user_id: int, space_id: int, item_ids: Sequence[int] | None) -> list[int]:
    """Item ids: the ten that weigh most in the stored taste, or in the given order, of those that were watched."""
    values = {"server_id": server_id, "user_id": user_id, "space_id": space_id, "item_ids": None if item_ids is None else list(item_ids)}
    return list(connection.execute(statement("tastes", "heaviest_seen"), values).scalars())


def write_tastes(connection: Connection, space: Space, tastes: Sequence[UserTaste], now: datetime) -> None:
    """Store these, without those of users who were erased since they were computed."""
    present = hold_present(connection, [(space.server_id, taste.user_id) for taste in tastes])
    tastes = [taste for taste in tastes if (space.server_id, taste.user_id) in present]
    if not tastes:
        return
    for table in ("staged_tastes", "staged_heaviest", "staged_labels"):
        connection.execute(statement("tastes", f"create_{table}"))
        connection.execute(text(f"DELETE FROM {table}"))
    _stage_tastes(connection, space, tastes)
    values = {"server_id": space.server_id, "space_id": space.id, "recipe": tastes[0].recipe, "now": now}
    for name in ("write_tastes", "drop_former_facets"):
        connection.execute(statement("tastes", name), values)


def _stage_tastes(connection: Connection, space: Space, tastes: Sequence[UserTaste]) -> None:
    """A row for the whole taste, facet 0, and one for each facet."""
    nothing = np.zeros(space.dimension, dtype=np.float32)
    rows: list[tuple[UserTaste, int, npt.NDArray[np.float32] | None, float, UserTaste | UserFacet]] = []
    for taste in tastes:
        rows.append((taste, 0, taste.vector, 1.0, taste))
        rows += [(taste, number, facet.vector, facet.share, facet) for number, facet in enumerate(taste.facets, start=1)]
    columns: dict[str, Any] = {
        "user_id": [taste.user_id for taste, *_ in rows],
        "facet": [facet for _, facet, *_ in rows],
        "engagement_version": [taste.engagement_version for taste, *_ in rows],
        "n_items": [taste.n_items for taste, *_ in rows],
        "due_at": [np.nan if taste.due_at is None else taste.due_at for taste, *_ in rows],
        "share": [share for *_, share, _ in rows],
        "has_taste": [vector is not None for _, _, vector, *_ in rows],
        "taste": np.array([nothing if vector is None else vector for _, _, vector, *_ in rows]),
    }
    fields = {"user_id": "i8", "facet": "i4", "engagement_version": "i8", "n_items": "i4", "due_at": "f8", "share": "f4", "has_taste": "i4"}
    arrays.write_array(connection, "staged_tastes", columns, fields | {"taste": arrays.halfvec(space.dimension)})
    lengths = [len(made.item_ids) for *_, made in rows]
    n_recent = [len(taste.recent_ids) for taste in tastes]
    heaviest = {
        "user_id": np.concatenate([np.repeat(columns["user_id"], lengths), np.repeat([taste.user_id for taste in tastes], n_recent)]),
        "facet": np.concatenate([np.repeat(columns["facet"], lengths), np.full(sum(n_recent), RECENT)]),
        "item_id": np.concatenate([*(made.item_ids for *_, made in rows), *(taste.recent_ids for taste in tastes)]),
        "weight": np.concatenate([*(made.item_weights for *_, made in rows), *(-np.arange(n) for n in n_recent)]),
    }
    arrays.write_array(connection, "staged_heaviest", heaviest, {"user_id": "i8", "facet": "i4", "item_id": "i8", "weight": "f4"})
    labelled = [(taste.user_id, facet, made.label) for taste, facet, _, _, made in rows if isinstance(made, UserFacet) and made.label]
    if labelled:
        user_ids, facets, labels = zip(*labelled, strict=True)
        values = {"user_ids": list(user_ids), "facets": list(facets), "labels": list(labels)}
        connection.execute(statement("tastes", "stage_labels"), values)


def forget_tastes(connection: Connection, server_id: int) -> None:
    """Drop the tastes of users who opted out or were erased."""
    connection.execute(statement("tastes", "forget_tastes"), {"server_id": server_id})


def write_statistics(connection: Connection, server_id: int) -> int:
    """Who watched what, priors and popularity of the server's items. Returns how many changed."""
    connection.execute(statement("items", "lock_exclusive"), {"server_id": server_id})
    n_changed = connection.execute(statement("tastes", "write_statistics"), {"server_id": server_id}).rowcount
    if n_changed:
        touch_catalogue(connection, server_id)
    return n_changed
