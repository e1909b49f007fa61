"""Worlds whose right answer is known: items in planted clusters, watched through the door that media servers use.

Vectors are written directly; everything that becomes a weight is a play or a signal.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from sqlalchemy import text

from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS, Reader
from app.db import Engine, ingest, spaces
from app.recommend.pipeline import recommend
from app.recommend.select import Selection
from app.types import Filters, Server, Slate, unseen
from jobs.refresh_tastes import refresh_tastes

NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)
DIMENSION = 16
# The cluster that the crowd watches and that everybody rates well.
BLOCKBUSTERS = 7
N_CLUSTERS, PER_CLUSTER = 8, 40
SLATE = 20

Body = dict[str, Any]
Floats = npt.NDArray[np.float32]


def unit(vectors: Any) -> Floats:
    found = np.asarray(vectors, dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True), dtype=np.float32)


def name_of(cluster: int, number: int) -> str:
    return f"c{cluster}-{number:02}"


def cluster_of(name: str) -> int:
    """-1 for what was planted beside the clusters."""
    return int(name[1]) if re.fullmatch(r"c\d-\d+", name) else -1


def n_of(names: Iterable[str], *clusters: int) -> int:
    return sum(cluster_of(name) in clusters for name in names)


def clusters(seed: int = 0, n: int = N_CLUSTERS, size: int = PER_CLUSTER, noise: float = 0.5) -> dict[str, Floats]:
    """`n` clusters around the first axes, strangers to each other; alike within by a cosine of 1 / (1 + noise²)."""
    random = np.random.default_rng(seed)
    names = [name_of(cluster, number) for cluster in range(n) for number in range(size)]
    centres = np.repeat(np.eye(DIMENSION), size, axis=0)[: n * size]
    return dict(zip(names, unit(centres + noise * random.standard_normal((n * size, DIMENSION)) / np.sqrt(DIMENSION)), strict=True))


def film(item_id: str, **more: Any) -> Body:
    usual = {"community_rating": 6.5, "vote_count": 200}
    if cluster_of(item_id) == BLOCKBUSTERS:
        usual = {"community_rating": 8.5, "vote_count": 9_000}
    # Named so that no two are of one franchise.
    name = f"{item_id.translate(str.maketrans('0123456789-', 'abcdefghijk'))} film"
    return {"item_id": item_id, "type": "movie", "name": name, "runtime_seconds": 6000} | usual | more


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def play(user: str, item: str, days_ago: float, percent: float = 100.0, **more: Any) -> Body:
    return {
        "play_id": f"{user} {item} {days_ago}",
        "user_id": user,
        "item_id": item,
        "started_at": ago(days_ago),
        "percent": percent,
    } | more


class World:
    """One server: told things, then asked, always at NOW unless another moment is given."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self.engine, self.server = engine, server

    def plant(self, vectors: Mapping[str, Floats], n_items_to_be: int = 0) -> None:
        """Items with these vectors in a live space, which has an index of its own where it is to hold many."""
        self.send(items=[film(name) for name in vectors])
        with self.engine.begin() as connection:
            space = spaces.create_space(connection, self.server.id, "text", "planted", "planted", 1, DIMENSION, n_items_to_be)
            spaces.set_centre(connection, space, np.zeros(DIMENSION, dtype=np.float32), "items")
            spaces.go_live(connection, space, NOW)
        self.place(vectors)
        with self.engine.begin() as connection:
            spaces.index_space(connection, space)

    def place(self, vectors: Mapping[str, Floats]) -> None:
        """Vectors of items that were sent before."""
        ids = self.item_ids()
        n = len(vectors)
        with self.engine.begin() as connection:
            space = spaces.live_space(connection, self.server.id, "text")
            assert space is not None
            placed = np.array([ids[name] for name in vectors], dtype=np.int64)
            matrix = np.array(list(vectors.values()), dtype=np.float32)
            spaces.write_vectors(connection, space, placed, matrix, np.ones(n, dtype=np.float32), np.zeros(n, dtype="V32"))

    def send(
        self, *, items: Sequence[Body] = (), users: Sequence[str | Body] = (), plays: Sequence[Body] = (), signals: Sequence[Body] = ()
    ) -> None:
        people = [{"user_id": one, "name": one.title()} if isinstance(one, str) else one for one in users]
        with self.engine.begin() as connection:
            ingest.ingest_items(connection, self.server.id, _read(ITEMS, items))
            ingest.ingest_users(connection, self.server.id, _read(USERS, people))
            ingest.ingest_plays(connection, self.server.id, "api", _read(PLAYS, plays))
            ingest.ingest_signals(connection, self.server.id, "api", _read(SIGNALS, signals))

    def crowd(self, n_users: int = 12) -> None:
        """Others, who all watch blockbusters, so that popularity has something to say."""
        watched = [name_of(BLOCKBUSTERS, number) for number in range(PER_CLUSTER)]
        plays = [play(f"other{one}", name, 200 + one) for one in range(n_users) for name in watched[: PER_CLUSTER - one]]
        self.send(users=[f"other{one}" for one in range(n_users)], plays=plays)

    def refresh(self, now: datetime = NOW) -> int:
        return refresh_tastes(self.engine, self.server.id, now, unseen)

    def ask(
        self, user: str, *, limit: int = SLATE, offset: int = 0, now: datetime = NOW, selection: Selection | None = None, **filters: Any
    ) -> Slate:
        with self.engine.begin() as connection:
            return recommend(
                connection, self.server, user, Filters(**filters),
                limit=limit, offset=offset, explain=True, now=now, slate_id=UUID(int=1), selection=selection,
            )  # fmt: skip

    def names(self, user: str, **asked: Any) -> list[str]:
        return names_in(self.ask(user, **asked))

    def everything(self, user: str, **asked: Any) -> list[str]:
        """All that is eligible, by score alone."""
        plain = Selection.of(self.server, is_varied=False, is_fresh=False)
        return self.names(user, limit=len(self.item_ids()) + 1, selection=plain, **asked)

    def popular(self, user: str, limit: int = SLATE) -> list[str]:
        """What plain popularity would show: what most watched and rated best, of what the user has not seen or hidden."""
        sql = """
            SELECT e.external_id
            FROM items i
            JOIN entries e ON e.server_id = i.server_id AND e.id = i.entry_id
            WHERE i.server_id = :server_id AND i.is_available AND NOT EXISTS (
                SELECT FROM engagement g JOIN users u ON u.server_id = g.server_id AND u.id = g.user_id
                WHERE g.server_id = i.server_id AND g.item_id = i.id AND u.external_id = :user AND (g.is_seen OR g.is_hidden))
            ORDER BY i.popularity DESC, i.id
            LIMIT :limit
        """
        with self.engine.begin() as connection:
            values = {"server_id": self.server.id, "user": user, "limit": limit}
            return list(connection.execute(text(sql), values).scalars())

    def item_ids(self) -> dict[str, int]:
        sql = "SELECT external_id, item_id FROM entries WHERE server_id = :server_id AND item_id IS NOT NULL"
        with self.engine.begin() as connection:
            return {row.external_id: row.item_id for row in connection.execute(text(sql), {"server_id": self.server.id})}

    def taste_rows(self) -> list[tuple[Any, ...]]:
        """Every column of every taste of the server, vectors as the bytes that PostgreSQL sends."""
        sql = """
            SELECT server_id, user_id, space_id, facet, halfvec_send(taste) AS taste, item_ids, item_weights, n_items, engagement_version,
                   computed_at, due_at, recipe, label, share, recent_ids
            FROM tastes WHERE server_id = :server_id ORDER BY user_id, space_id, facet
        """
        with self.engine.begin() as connection:
            found = [tuple(row) for row in connection.execute(text(sql), {"server_id": self.server.id})]
            columns = connection.execute(text("SELECT count(*) FROM information_schema.columns WHERE table_name = 'tastes'")).scalar_one()
        assert all(len(row) == columns for row in found)
        return found


def names_in(slate: Slate) -> list[str]:
    return [item.candidate.external_id for item in slate.items]


def mean_rank(names: Sequence[str], wanted: Iterable[str]) -> float:
    """Of those of the wanted that are among the names; ranks from 1."""
    ranks = {name: rank for rank, name in enumerate(names, start=1)}
    return float(np.mean([ranks[name] for name in wanted if name in ranks]))


def _read(reader: Reader[Any], bodies: Sequence[Body]) -> list[Any]:
    rows, _, rejected = reader.read(bodies)
    assert not rejected, rejected
    return rows
