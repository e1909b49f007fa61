"""What a person would be answered: recommenders that ask the retrieval statement of a server in a scratch database."""

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import numpy as np

from app.connect.bodies import ITEMS
from app.db import Engine, bench, ingest, servers, spaces, tastes
from app.errors import NothingToLearn
from app.learn.centring import centre_of, centred
from app.learn.collaborative import weighed
from app.learn.events import Case, Events, Ints
from app.learn.next_item import ItemVectors, Parameters, learn
from app.learn.second_stage import read_second_stage
from app.learn.splits import ProtocolName
from app.recommend.context import find_context
from app.recommend.pipeline import slate_for
from app.recommend.promotion import promote
from app.recommend.rankers import Rankers
from app.recommend.select import Selection
from app.types import Filters, Server, SpaceKind, unseen
from jobs.evaluate import Factory
from jobs.evaluation_data import Library
from jobs.learn_collab import put_live, store
from jobs.learn_two_tower import learn_two_tower
from jobs.past import Learning
from jobs.refresh_tastes import refresh_users
from jobs.revision import revision_of
from jobs.train_ranker import train_ranker

TWO_STAGE = "two-stage (served)"
SERVED: dict[str, tuple[SpaceKind, ...]] = {
    "text (palate)": ("text",),
    "collab (served)": ("collab",),
    "fused (served)": ("text", "collab"),
    TWO_STAGE: ("text", "collab", "two_tower"),
}
WARM_SECONDS = 60.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Bench:
    """One server whose people come and go from task to task; its items and their text stay."""

    def __init__(self, work: Engine, serve: Engine, library: Library) -> None:
        self.work, self.serve = work, serve
        with work.begin() as connection:
            self.server, _ = servers.put_server(connection, f"evaluation {uuid.uuid4()}", "Evaluation", "api", {})
            rows, _, rejected = ITEMS.read(list(library.bodies))
            assert not rejected, rejected[:3]
            for start in range(0, len(rows), 5_000):
                ingest.ingest_items(connection, self.server.id, rows[start : start + 5_000])
            ours = bench.item_ids_of(connection, self.server.id)
        self.external_ids = [str(body["item_id"]) for body in library.bodies]
        self.position = {external_id: number for number, external_id in enumerate(self.external_ids)}
        self.item_ids = np.array([ours[external_id] for external_id in self.external_ids], dtype=np.int64)
        self._write_text(library)
        self._learned: tuple[Events, ItemVectors] | None = None
        self.rankers = Rankers(serve, read_second_stage)

    def _write_text(self, library: Library) -> None:
        raw = library.text_vectors
        target, norms = centred(raw, centre_of(raw))
        order = np.unique(self.item_ids, return_index=True)[1]
        with self.work.begin() as connection:
            n_items = len(order)
            space = spaces.create_space(connection, self.server.id, "text", "evaluation", "evaluation", 1, raw.shape[1], n_items)
            spaces.set_centre(connection, space, centre_of(raw), "items")
            nothing = np.zeros(n_items, dtype="V32")
            spaces.write_vectors(connection, space, self.item_ids[order], target[order], norms[order], nothing)
            spaces.index_space(connection, space)
            spaces.go_live(connection, space, NOW)

    def people(self, train: Events, cases: Sequence[Case]) -> Ints:
        """Those of `train`, and those of the cases with what they are known to have watched. Returns the cases' ids."""
        asked = {case.user for case in cases}
        kept = ~np.isin(train.users, list(asked))
        users = np.concatenate([train.users[kept], *(np.full(len(case.history), case.user) for case in cases)])
        items = np.concatenate([train.items[kept], *(case.history for case in cases)])
        ratings = np.concatenate([train.ratings[kept], *(case.ratings for case in cases)])
        has_order = np.ones(len(train), dtype=np.bool_) if train.has_order is None else train.has_order
        in_order = [has_order[kept], *(np.arange(len(case.history)) >= case.n_unordered for case in cases)]
        orders = np.where(np.concatenate(in_order), np.arange(len(users)), -1)
        n_users = max([train.n_users, *(user + 1 for user in asked)])
        with self.work.begin() as connection:
            bench.forget_users(connection, self.server.id)
            user_ids = bench.make_users(connection, self.server.id, n_users)
            bench.make_ratings(connection, self.server.id, user_ids[users], self.item_ids[items], orders, ratings)
            tastes.write_statistics(connection, self.server.id)
        return user_ids[np.array(sorted(asked), dtype=np.int64)]

    def learn(self, train: Events, parameters: Parameters) -> None:
        if self._learned is None or self._learned[0] is not train:
            self._learned = train, learn(weighed(train), parameters)
        with self.work.begin() as connection:
            live = spaces.live_space(connection, self.server.id, "text")
            vectors = None if live is None else spaces.read_vectors(connection, live)
        revision = revision_of(train, self.item_ids, self._learned[1], vectors, parameters, NOW)
        put_live(self.work, store(self.work, self.server, revision), NOW)

    def learn_second_stage(self, train: Events, learning: Learning) -> None:
        """As the jobs do, on what these people watched; the ranker serves whatever its figures say. Where they watched too little for one,
        fused scores do."""
        self.people(train, [])
        learn_two_tower(self.work, self.server, NOW, unseen, parameters=learning.towers)
        with contextlib.suppress(NothingToLearn):
            self._train_ranker(learning)

    def _train_ranker(self, learning: Learning) -> None:
        trained = train_ranker(self.work, self.server, NOW, unseen, learning=learning)
        if not trained.went_live:
            with self.work.begin() as connection:
                promote(connection, self.server, trained.model_id, "what is evaluated", NOW)
        self.rankers.warm(WARM_SECONDS)

    def forget_ranker(self) -> None:
        with self.work.begin() as connection:
            bench.forget_models(connection, self.server.id)

    def forget(self, kind: SpaceKind) -> None:
        with self.work.begin() as connection:
            live = spaces.live_space(connection, self.server.id, kind)
            if live is not None:
                spaces.retire(connection, live)


class Served:
    """Asks for these kinds of spaces. The collab space alone is the bare search, else it is what a person is shown."""

    def __init__(self, name: str, kinds: tuple[SpaceKind, ...], bench_of: Bench, learning: Learning) -> None:
        self.name, self._kinds, self._bench, self._learning = name, kinds, bench_of, learning

    def fit(self, train: Events) -> None:
        self._train = train
        if "collab" in self._kinds:
            self._bench.learn(train, self._learning.vectors or Parameters())
        else:
            self._bench.forget("collab")
        self._bench.forget("two_tower")
        self._bench.forget_ranker()
        if self.name == TWO_STAGE:
            self._bench.learn_second_stage(train, self._learning)

    def recommend(self, cases: list[Case], n: int) -> Ints:
        user_ids = set(self._bench.people(self._train, cases).tolist())
        with self._bench.work.begin() as connection:
            live = spaces.live_spaces(connection, self._bench.server.id)
        for space in live:
            refresh_users(self._bench.work, space, user_ids, NOW)
        with self._bench.work.begin() as connection:
            server = servers.get_server(connection, self._bench.server.id)
        bench.settle(self._bench.work)
        found = np.full((len(cases), n), -1, dtype=np.int64)
        for row, case in enumerate(cases):
            chosen = self._ask(server, f"user {case.user}", n)
            found[row, : len(chosen)] = chosen
        return found

    def _ask(self, server: Server, user: str, n: int) -> list[int]:
        with self._bench.serve.begin() as connection:
            context = find_context(connection, server, user, None, NOW)
            selection = Selection.of(server)
            if self._kinds == ("collab",):
                context = replace(context, kinds=self._kinds if "collab" in context.kinds else (), evidence=None)
                selection = Selection.of(server, is_varied=False, is_fresh=False)
            slate = slate_for(
                connection,
                server,
                context,
                Filters(),
                limit=n,
                offset=0,
                explain=False,
                now=NOW,
                slate_id=uuid.uuid4(),
                selection=selection,
                rankers=self._bench.rankers,
            )
        return [self._bench.position[item.candidate.external_id] for item in slate.items]


def served_recommenders(work: Engine, serve: Engine, learning: Learning | None = None) -> dict[str, Factory]:
    """In a scratch database that has been migrated."""
    benches: dict[int, Bench] = {}

    def make(name: str, _protocol: ProtocolName, library: Library) -> Served:
        if id(library) not in benches:
            benches[id(library)] = Bench(work, serve, library)
        return Served(name, SERVED[name], benches[id(library)], learning or Learning())

    return {name: partial(make, name) for name in SERVED}
