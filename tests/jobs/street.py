"""People who watch films one after the other, always the next in line: what a ranker can learn and retrieval alone cannot say."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from app.db import Connection, Engine, bench, spaces, tastes
from app.learn import next_item
from app.learn.ranker import Parameters
from app.learn.second_stage import SecondStage
from app.recommend.pipeline import recommend
from app.recommend.rankers import Rankers
from app.recommend.select import Selection
from app.types import Filters, Server, Slate, unseen
from jobs.learn_collab import learn_collab
from jobs.past import Learning
from jobs.train_ranker import Trained, train_ranker
from tests.db.household import House, film, play, user

N_FILMS, N_PEOPLE, N_WATCHED = 60, 90, 40
FEW = next_item.Parameters(rank=8)
SMALL = Parameters(n_trees=30)


class Street:
    """Films of four genres in a row, with made-up text vectors; each person begins somewhere and goes on, sometimes skipping one."""

    def __init__(self, engine: Engine, server: Server, now: datetime, n_people: int = N_PEOPLE) -> None:
        self.engine, self.server, self.now = engine, server, now
        self.house = House(engine, server.id)
        generator = np.random.default_rng(5)
        self.house.tell("items", [film(f"f{n}", runtime_seconds=6000, genres=[f"Genre {n % 4}"], year=1990 + n) for n in range(N_FILMS)])
        self.house.tell("users", [user(f"u{number}") for number in range(n_people)])
        with engine.begin() as connection:
            self._write_text(connection, generator)
        plays = []
        for number in range(n_people):
            place, begun_at = int(generator.integers(N_FILMS)), now - timedelta(days=200 + int(generator.integers(100)))
            for step in range(N_WATCHED):
                place = (place + (2 if generator.random() < 0.1 else 1)) % N_FILMS
                at = begun_at + timedelta(days=4 * step)
                plays.append(play(f"u{number}", f"f{place}", f"{number} {step}", started_at=at.isoformat(), percent=100))
        self.house.tell("plays", plays)
        with engine.begin() as connection:
            tastes.write_statistics(connection, server.id)

    def _write_text(self, connection: Connection, generator: np.random.Generator) -> None:
        ours = bench.item_ids_of(connection, self.server.id)
        item_ids = np.array(sorted(ours.values()), dtype=np.int64)
        vectors = generator.normal(size=(len(item_ids), 16)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        space = spaces.create_space(connection, self.server.id, "text", "made up", "made up", 1, 16, len(item_ids))
        spaces.set_centre(connection, space, np.zeros(16, np.float32), "items")
        ones, nothing = np.ones(len(item_ids), np.float32), np.zeros(len(item_ids), dtype="V32")
        spaces.write_vectors(connection, space, item_ids, vectors, ones, nothing)
        spaces.go_live(connection, space, self.now)

    def learn(self) -> None:
        learn_collab(self.engine, self.server, self.now, unseen, parameters=FEW)

    def train(self) -> Trained:
        return train_ranker(self.engine, self.server, self.now, unseen, parameters=SMALL, learning=Learning(FEW))

    def ask(self, who: str, rankers: Rankers[SecondStage] | None, limit: int = 20, offset: int = 0, **filters: Any) -> Slate:
        """Without variety, so that the order is the ranker's."""
        selection = Selection.of(self.server, is_varied=False, is_fresh=False)
        with self.engine.begin() as connection:
            return recommend(
                connection, self.server, who, Filters(**filters), limit=limit, offset=offset, explain=True, now=self.now,
                slate_id=uuid.uuid4(), selection=selection, rankers=rankers,
            )  # fmt: skip
