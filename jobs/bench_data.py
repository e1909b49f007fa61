"""Made-up servers for benchmarks: many items, users with histories of known length, vectors of three kinds.

uniform   unit vectors without structure, histories at random: the hardest space to search
planted   clusters; a user watched nearly all near the centres they like: the hardest histories
          (EXPERIMENTS, before the first version)
real      text vectors of real titles, mixed two and two, and histories near a few of them
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.connect.demo.household import demo_item_bodies
from app.db import Engine, bench, servers, spaces
from app.learn.centring import centre_of, centred
from app.learn.text_encoder import TextEncoder, locate_model
from app.learn.text_template import item_text
from app.types import Server, Space, unseen
from jobs.refresh_tastes import refresh_space

DataKind = Literal["real", "uniform", "planted"]

DIMENSION = 384
N_CLUSTERS = 200
HISTORY_LENGTHS = (10, 50, 200, 1_000, 5_000)
# Of a planted history, the part that lies in the regions that the user likes.
LIKED_SHARE = 0.8

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    server: Server
    space: Space
    # user's name on the server -> how many items they watched
    histories: dict[str, int]


def build_world(
    engine: Engine, kind: DataKind, n_items: int, n_users: int, model_name: str, seed: int, dimension: int = DIMENSION
) -> World:
    """Fill a scratch database that has been migrated. `dimension`: of vectors that are not real."""
    random = np.random.default_rng(seed)
    vectors, regions = _vectors(kind, n_items, dimension, model_name, random)
    lengths = [min(HISTORY_LENGTHS[user % len(HISTORY_LENGTHS)], n_items // 2) for user in range(n_users)]
    return plant_world(engine, vectors, [_history(vectors, regions, length, random) for length in lengths], n_items)


def plant_world(engine: Engine, vectors: Floats, histories: Sequence[Ints], n_items_to_be: int) -> World:
    """Items with these unit vectors (n, d), and a user for each history: positions in `vectors`, oldest first.

    The space gets a partition and an index as one of `n_items_to_be` items would.
    """
    with engine.begin() as connection:
        server, _ = servers.put_server(connection, "bench", "Benchmark", "api", {})
        item_ids = bench.make_items(connection, server.id, len(vectors))
        space = spaces.create_space(connection, server.id, "text", "bench", "bench", 1, vectors.shape[1], n_items_to_be)
        spaces.set_centre(connection, space, np.zeros(vectors.shape[1], dtype=np.float32), "items")
        for start in range(0, len(vectors), 50_000):
            ids, part = item_ids[start : start + 50_000], vectors[start : start + 50_000]
            spaces.write_vectors(connection, space, ids, part, np.ones(len(ids), dtype=np.float32), np.zeros(len(ids), dtype="V32"))
        spaces.index_space(connection, space)
        spaces.go_live(connection, space, datetime.now(UTC))
        user_ids = bench.make_users(connection, server.id, len(histories))
        lengths = [len(history) for history in histories]
        orders = np.concatenate([np.arange(length) for length in lengths])
        bench.make_engagement(connection, server.id, np.repeat(user_ids, lengths), item_ids[np.concatenate(histories)], orders)
    refresh_space(engine, space, datetime.now(UTC), unseen)
    bench.settle(engine)
    return World(server, space, {f"user {user}": length for user, length in enumerate(lengths)})


def _vectors(kind: DataKind, n_items: int, dimension: int, model_name: str, random: np.random.Generator) -> tuple[Floats, Floats]:
    """(item vectors, centres of the regions that people like)."""
    match kind:
        case "uniform":
            return _unit(random.standard_normal((n_items, dimension), dtype=np.float32)), np.empty((0, dimension), dtype=np.float32)
        case "planted":
            centres = _unit(random.standard_normal((N_CLUSTERS, dimension), dtype=np.float32))
            noise = random.standard_normal((n_items, dimension), dtype=np.float32) / np.sqrt(dimension).astype(np.float32)
            return _unit(centres[random.integers(N_CLUSTERS, size=n_items)] + noise), centres
        case "real":
            raw = TextEncoder(locate_model(model_name)).encode([item_text(body) for body in demo_item_bodies()])
            titles, _ = centred(raw, centre_of(raw))
            first, second = random.integers(len(titles), size=(2, n_items))
            share = random.uniform(0.2, 0.8, size=(n_items, 1)).astype(np.float32)
            noise = 0.3 * random.standard_normal((n_items, DIMENSION), dtype=np.float32) / np.sqrt(DIMENSION).astype(np.float32)
            return _unit(share * titles[first] + (1 - share) * titles[second] + noise), titles


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _history(vectors: Floats, regions: Floats, length: int, random: np.random.Generator) -> Ints:
    """Positions of the items one user watched, oldest first."""
    if len(regions) == 0:
        return np.asarray(random.choice(len(vectors), size=length, replace=False), dtype=np.int64)
    liked = regions[random.choice(len(regions), size=3, replace=False)]
    closeness = (vectors @ liked.T).max(axis=1)
    n_near = int(length * LIKED_SHARE)
    # Not quite the nearest: of the twice as many that lie nearest, half.
    near = random.choice(np.argsort(-closeness)[: 2 * n_near], size=n_near, replace=False)
    others = np.setdiff1d(random.choice(len(vectors), size=2 * length, replace=False), near)
    chosen = np.concatenate([near, random.permutation(others)[: length - n_near]])
    return np.asarray(random.permutation(chosen), dtype=np.int64)
