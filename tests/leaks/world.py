"""A household in the real database, and an oracle that is told the same. Bodies go through the door that the API uses."""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal, get_args

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine, spaces
from app.db.missing import delete_entries
from app.types import unseen
from jobs.refresh_tastes import refresh_tastes
from tests.db.household import Body, House
from tests.leaks.invent import GENRES, HEADS, Inventor
from tests.leaks.oracle import Oracle, Told

Space = Literal["exact", "indexed", "none"]

N_TITLES = 80
# Of all titles: what a person watched, more or less, and what they said something of; of those with a vector.
SHARES_WATCHED, SHARE_JUDGED, WITH_VECTOR = (0.03, 0.35, 0.35), 0.15, 0.9
# Of all worlds, those with a space learned from behaviour, beside text or without it.
WITH_COLLAB = 0.6
DIMENSION = 16
ITEMS_SQL = """
    SELECT i.id, i.genres, e.external_id
    FROM items i
    JOIN entries e ON e.server_id = :server_id AND e.id = i.entry_id
    WHERE i.server_id = :server_id
    ORDER BY e.external_id
"""
# Named by plays and signals, and never sent.
GHOST = "ghost"


class World:
    """One server, `number` among all. Whatever is told, changed or deleted goes to the database and to what the oracle knows."""

    def __init__(self, engine: Engine, client: TestClient, random: Random, number: int, space: Space, now: datetime, n_titles: int) -> None:
        self.engine, self.client, self.random, self.now = engine, client, random, now
        self.name = f"leaks {number}"
        self.told = Told(random_settings(random))
        self.house = House(engine, self.put_server())
        self.inventor = Inventor(random, number, now, tells_all=self.told.settings["in_progress"] == "open")
        self.queries: list[str] = []
        self.vectors: dict[str, Any] = {}
        self._oracle: Oracle | None = None
        self._settle(space, n_titles)

    @property
    def oracle(self) -> Oracle:
        if self._oracle is None:
            self._oracle = Oracle(self.told, self.now)
        return self._oracle

    def forget(self) -> None:
        """What the oracle worked out: something else was told."""
        self._oracle = None

    def titles(self) -> list[list[Body]]:
        """Entries by title, the title's own first."""
        oracle = self.oracle
        found: dict[str, list[Body]] = {title: [self.told.items[entry] for entry in oracle.entries[title]] for title in oracle.entries}
        for entry, title in oracle.title_of.items():
            if self.told.items[entry]["type"] == "episode":
                found[title].append(self.told.items[entry])
        return list(found.values())

    def close_to(self, title: str, cosine: float) -> frozenset[str]:
        """The titles that are nearer to this one than this; none where it has no vector."""
        if title not in self.vectors:
            return frozenset()
        return frozenset(other for other, vector in self.vectors.items() if float(vector @ self.vectors[title]) > cosine)

    def tell(self, kind: str, *bodies: Body) -> None:
        self.house.tell(kind, bodies)
        at = datetime.now(UTC)
        for body in bodies:
            self.told.hear(kind, body, at)
        self.forget()

    def delete(self, entries: Sequence[str]) -> None:
        with self.engine.begin() as connection:
            delete_entries(connection, self.house.server_id, entries, datetime.now(UTC))
        self.told.deleted.update(entries)
        self.forget()

    def put_server(self) -> int:
        """Register it with the settings that were told; its id of ours."""
        body = {"name": self.name, "kind": "api", "settings": self.told.settings}
        answer = self.client.put(f"/servers/{self.name}", json=body)
        assert answer.status_code in (200, 201), answer.text
        with self.engine.begin() as connection:
            sql = text("SELECT id FROM servers WHERE external_id = :name")
            return int(connection.execute(sql, {"name": self.name}).scalar_one())

    def _settle(self, space: Space, n_titles: int) -> None:
        random, inventor = self.random, self.inventor
        self.tell("items", *(body for _ in range(n_titles) for body in inventor.title()))
        self.tell("users", *inventor.people())
        plays, signals = [], []
        for person in (*self.told.users, GHOST):
            share = random.choice(SHARES_WATCHED)
            for title in self.titles():
                watched, said = inventor.story(person, title) if random.random() < share else ([], [])
                plays += watched
                signals += said + (inventor.opinion(person, title) if random.random() < SHARE_JUDGED else [])
        self.tell("plays", *plays)
        self.tell("signals", *signals)
        if space != "none":
            self._plant_vectors(spaces.OWN_PARTITION_FROM + 1 if space == "indexed" else n_titles)
        if random.random() < WITH_COLLAB:
            self._plant_collab(spaces.OWN_PARTITION_FROM + 1 if space == "indexed" else n_titles)
        refresh_tastes(self.engine, self.house.server_id, datetime.now(UTC), unseen)

    def _plant_vectors(self, n_items_to_be: int) -> None:
        """Titles lie near their genre, queries anywhere; some titles have no vector."""
        chance = np.random.default_rng(self.random.randrange(2**32))
        centres = dict(zip([*GENRES, None], chance.standard_normal((len(GENRES) + 1, DIMENSION)), strict=True))
        with self.engine.begin() as connection:
            server_id = self.house.server_id
            rows = connection.execute(text(ITEMS_SQL), {"server_id": server_id}).all()
            rows = self.random.sample(rows, int(len(rows) * WITH_VECTOR))
            near = np.array([centres[row.genres[0] if row.genres else None] for row in rows])
            vectors = _unit(near + chance.standard_normal(near.shape))
            ones, digests = np.ones(len(rows), dtype=np.float32), np.zeros(len(rows), dtype="V32")
            space = spaces.create_space(connection, server_id, "text", "planted", self.name, 1, DIMENSION, n_items_to_be)
            spaces.set_centre(connection, space, np.zeros(DIMENSION, dtype=np.float32), "items")
            spaces.write_vectors(connection, space, np.array([row.id for row in rows]), vectors, ones, digests)
            spaces.index_space(connection, space)
            spaces.go_live(connection, space, datetime.now(UTC))
        self.vectors = {self.oracle.title_of[row.external_id]: vector for row, vector in zip(rows, vectors, strict=True)}
        self._remember_queries(_unit(chance.standard_normal((40, DIMENSION))))

    def _plant_collab(self, n_items_to_be: int) -> None:
        """As if learned from what was watched, for most titles."""
        chance = np.random.default_rng(self.random.randrange(2**32))
        with self.engine.begin() as connection:
            server_id = self.house.server_id
            rows = connection.execute(text(ITEMS_SQL), {"server_id": server_id}).all()
            rows = self.random.sample(rows, int(len(rows) * WITH_VECTOR))
            history, target = chance.standard_normal((2, len(rows), DIMENSION // 2)).astype(np.float32)
            space = spaces.create_space(connection, server_id, "collab", "planted", self.name, 1, DIMENSION // 2, n_items_to_be)
            spaces.set_card(connection, space, {"strength": self.random.choice([0.1, 0.9])})
            item_ids, is_predicted = np.array([row.id for row in rows]), chance.random(len(rows)) < 0.3
            spaces.write_learned_vectors(connection, space, item_ids, history, target, is_predicted)
            spaces.index_space(connection, space)
            spaces.go_live(connection, space, datetime.now(UTC))

    def _remember_queries(self, vectors: Any) -> None:
        """As if the text model had answered these lately: no model is loaded here."""
        words = [body["name"].split()[-1] for body in self.random.choices(list(self.told.items.values()), k=30)]
        self.queries = [*words, *HEADS, "war", "a", "zq", "%"]
        for query, vector in zip(self.queries, vectors, strict=False):
            self.client.app.state.query_encoder._remember((self.name, query), vector)


def random_settings(random: Random) -> Body:
    return {
        "unrated": random.choice(["hide", "show"]), "without_library": random.choice(["hide", "show"]),
        "in_progress": random.choice(["seen", "open"]), "watched_returns_after_days": random.choice([None, 30, 365]),
        "preset": random.choice(["palate", "palate", "streamystats"]), "variety": random.choice([0.0, 0.1, 1.0]),
        "franchise_cap": random.choice([None, 1, 2]), "genre_cap": random.choice([None, 0.2]), "freshness": random.choice([0.0, 0.05]),
    }  # fmt: skip


def make_worlds(engine: Engine, client: TestClient, seed: int, now: datetime, n_titles: int = N_TITLES) -> list[World]:
    """Two servers with the same ids for other things; each seed once in a run."""
    random = Random(seed)
    kinds = get_args(Space)
    return [World(engine, client, random, 2 * seed + one, kinds[(seed + one) % len(kinds)], now, n_titles) for one in range(2)]


def _unit(vectors: Any) -> Any:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
