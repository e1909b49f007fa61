"""A second stage for a made-up server: a collab space that leans on its text, and a ranker of the usual size.

The ranker is not trained on the server's past: at 100,000 items the next-item model of it takes hours. It is grown on lists that the server
is served, with its own facts of items, until it has as many trees and leaves as one that is trained.
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from app.db import Engine, bench, events, models, spaces, tastes
from app.db.descriptions import describe_items
from app.db.finding import find
from app.db.question import Question
from app.db.searches import N_RANKED
from app.learn.events import Floats
from app.learn.features import NAMES, features_of
from app.learn.item_facts import ItemFacts, item_facts
from app.learn.next_item import Parameters as Vectors
from app.learn.ranker import Lists, Parameters, fit_lambdamart
from app.learn.second_stage import SecondStage
from app.recommend.context import find_context
from app.recommend.effort import search_for
from app.recommend.rank import listed
from app.types import Filters, Server, Space, unseen
from jobs.bench_data import World
from jobs.refresh_tastes import refresh_space
from jobs.watched import watched_in

RANK = Vectors().rank
# Of a collab vector, what its title says nothing of; and how far lengths differ, which popularity makes longer.
NOISE, SPREAD = 0.5, 0.2
# Lists of each user, blurred by part of a feature's spread so that no two are alike; trees as many as MovieLens 1M takes.
N_BLURRED, BLUR = 8, 0.3
USUAL = Parameters(n_trees=150, min_data_in_leaf=20, patience=150)


def plant_collab(engine: Engine, world: World, seed: int, dimension: int = RANK) -> Space:
    """A live space, by default of the dimension that is learned, with everybody's taste in it."""
    random = np.random.default_rng(seed)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        text = spaces.read_vectors(connection, world.space)
        n_items = spaces.count_items(connection, world.server.id)
        space = spaces.create_space(connection, world.server.id, "collab", "bench", "bench", 1, dimension, n_items)
        spaces.set_card(connection, space, {"strength": 1.0})
        projection = random.standard_normal((world.space.dimension, dimension), dtype=np.float32) / np.float32(
            np.sqrt(world.space.dimension)
        )
        for start in range(0, len(text), 25_000):
            part = text[start : start + 25_000]
            ids, unit = np.ascontiguousarray(part["item_id"]), _unit(_unit(part["target"].astype(np.float32) @ projection), random)
            lengths = np.exp(SPREAD * random.standard_normal((len(part), 1), dtype=np.float32)) * np.float32(np.sqrt(dimension))
            spaces.write_learned_vectors(
                connection, space, ids, unit * np.float32(np.sqrt(dimension)), unit * lengths, np.zeros(len(part), np.bool_)
            )
        spaces.index_space(connection, space)
        spaces.go_live(connection, space, now)
        tastes.write_statistics(connection, world.server.id)
    refresh_space(engine, space, now, unseen)
    bench.settle(engine)
    return space


def _unit(vectors: Floats, random: np.random.Generator | None = None) -> Floats:
    """Of unit length, after noise where it is to be added."""
    if random is not None:
        vectors = vectors + NOISE * random.standard_normal(vectors.shape, dtype=np.float32) / np.float32(np.sqrt(vectors.shape[1]))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def grow_ranker(work: Engine, serve: Engine, world: World, seed: int) -> SecondStage:
    facts = _facts(work, world.server)
    served = [features for user in world.histories if len(features := _served(serve, world, user, facts)) > 1]
    random = np.random.default_rng(seed)
    weights = random.standard_normal(len(NAMES))
    learned, later = (_blurred(served, weights, random) for _ in range(2))
    return SecondStage(fit_lambdamart(learned, later, NAMES, USUAL), facts)


def put_ranker(engine: Engine, world: World, stage: SecondStage) -> int:
    """Stored, and live."""
    now, nothing = datetime.now(UTC), dict[str, Any]()
    with engine.begin() as connection:
        model_id = models.create_model(
            connection, world.server.id, stage.ranker.name, stage.to_bytes(),
            parameters=nothing, metrics=nothing, data_window=nothing, card=nothing, code_revision="bench", now=now,
        )  # fmt: skip
        models.promote(connection, world.server.id, model_id, "Made up for a measurement.", now)
    return model_id


def _facts(engine: Engine, server: Server) -> ItemFacts:
    with engine.begin() as connection:
        rows, items = events.read_engagement(connection, server.id), describe_items(connection, server.id)
    watched = watched_in(rows, np.array(sorted(items), dtype=np.int64))
    return item_facts(watched.events, watched.item_ids, [items[item_id].description for item_id in watched.item_ids.tolist()])


def _served(engine: Engine, world: World, user: str, facts: ItemFacts) -> Floats:
    now = datetime.now(UTC)
    with engine.begin() as connection:
        context = find_context(connection, world.server, user, None, now)
        search = search_for(context.asker, context.kinds)
        question = Question(context.asker, Filters(), search, now, kinds=context.kinds, evidence=context.evidence)
        recent_ids, n_watched = context.recent
        found = find(connection, world.server, question, recent_ids, first=0, last=N_RANKED)
    return features_of(facts, listed(found, recent_ids, n_watched, now))


def _blurred(served: list[Floats], weights: npt.NDArray[np.float64], random: np.random.Generator) -> Lists:
    """What is chosen is what stands highest by a little of every feature: something to learn that takes many trees."""
    known = np.nan_to_num(np.concatenate(served))
    middle, scale = known.mean(axis=0), known.std(axis=0) + np.float32(1e-6)
    features = [one + BLUR * scale * random.standard_normal(one.shape, dtype=np.float32) for one in served for _ in range(N_BLURRED)]
    worth = [np.tanh((np.nan_to_num(one) - middle) / scale) @ weights for one in features]
    labels = [(scores == scores.max()).astype(np.int8) for scores in worth]
    return Lists(np.concatenate(features), np.concatenate(labels), np.array([len(one) for one in features]))
