"""What the rows say, read by plain SQL and reckoned by numpy: what reasons are held against."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import text

from app.db import Engine
from app.db.dressing import MIN_CLOSENESS
from app.types import Server

# "New" and "this month" are 30 days; three titles are named at most.
A_MONTH, MAX_NAMED = timedelta(days=30), 3
TABLES = ("users", "user_libraries", "entries", "items", "engagement", "item_vectors", "tastes")


class Truth:
    """The rows of a server, as one of its users may know them."""

    def __init__(self, engine: Engine, server: Server, user_id: str) -> None:
        with engine.begin() as connection:
            asked = {name: text(f"SELECT * FROM {name} WHERE server_id = :server_id") for name in TABLES}
            found = {name: connection.execute(sql, {"server_id": server.id}).all() for name, sql in asked.items()}
        [me] = [row for row in found["users"] if row.external_id == user_id]
        self.me, self.now, self.engagement = me, datetime.now(UTC), found["engagement"]
        self.libraries = {row.library_id for row in found["user_libraries"] if row.user_id == me.id}
        self.counted = {row.id for row in found["users"] if not row.is_opted_out and row.erased_at is None and row.id != me.id}
        self.mine = {row.item_id: row for row in self.engagement if row.user_id == me.id}
        self.items = {row.id: row for row in found["items"]}
        self.entries = {row.external_id: row for row in found["entries"] if self._may_open(row)}
        self.open_items = {row.item_id for row in self.entries.values()}
        self.seen = {item_id for item_id, row in self.mine.items() if row.is_seen and not row.is_hidden and item_id in self.open_items}
        self.seen_names = {self.items[item_id].name for item_id in self.seen}
        refused = {item_id for item_id, row in self.mine.items() if row.is_hidden or row.is_seen or row.is_liked is False}
        self.eligible = {item_id for item_id in self.open_items - refused if self.items[item_id].is_available}
        self.vectors = {row.item_id: np.array(json.loads(row.target)) for row in found["item_vectors"]}
        self.tastes = {row.facet: row for row in found["tastes"] if row.user_id == me.id and row.taste is not None}
        self.directions = {facet: np.array(json.loads(row.taste)) for facet, row in self.tastes.items()}
        self.heard: set[str] = set()

    def _may_open(self, entry: Any) -> bool:
        if entry.kind not in ("movie", "series") or entry.deleted_at is not None:
            return False
        limit, age = self.me.max_parental_age, entry.parental_age
        return (limit is None or (age is not None and age <= limit)) and (self.me.has_all_libraries or entry.library_id in self.libraries)

    def similarity(self, item_id: int, facet: int) -> float:
        return float(self.vectors[item_id] @ self.directions[facet])

    def because(self, item_id: int, facet: int) -> list[tuple[int, float]]:
        """(item, weight), the greatest first: what was watched, is not hidden, may be opened, and lies close enough."""
        if item_id not in self.vectors:
            return []
        weights = dict(zip(self.tastes[facet].item_ids, self.tastes[facet].item_weights, strict=True))
        closeness = {other: float(self.vectors[other] @ self.vectors[item_id]) for other in self.seen & set(weights) & set(self.vectors)}
        pulls = [(other, weights[other] * close) for other, close in closeness.items() if close > MIN_CLOSENESS]
        return sorted(pulls, key=lambda pull: -pull[1])[:MAX_NAMED]

    def others(self, item_id: int) -> list[Any]:
        """Engagement of those who watched it and may be counted, the asker aside."""
        here = [row for row in self.engagement if row.item_id == item_id and row.user_id in self.counted]
        return [row for row in here if row.is_seen and not row.is_hidden]

    def n_lately(self, item_id: int) -> int:
        return sum(row.last_at is not None and self.now - row.last_at < A_MONTH for row in self.others(item_id))

    def is_new(self, item_id: int) -> bool:
        added_at = self.items[item_id].added_at
        return added_at is not None and self.now - added_at < A_MONTH

    def nearest_label(self, item_id: int) -> str | None:
        facets = [(self.similarity(item_id, facet), row.label) for facet, row in self.tastes.items() if facet > 0]
        return max(facets, default=(0, None), key=lambda facet: facet[0])[1]

    def nearest(self, facet: int, n: int) -> set[int]:
        return set(sorted(self.eligible & set(self.vectors), key=lambda item_id: -self.similarity(item_id, facet))[:n])

    def most_popular(self, n: int) -> set[int]:
        items = [self.items[item_id] for item_id in self.eligible]
        items.sort(key=lambda item: (-item.popularity, -item.added_at.timestamp() if item.added_at else np.inf, item.id))
        return {item.id for item in items[:n]}
