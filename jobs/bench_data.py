"""Made-up servers for benchmarks: many items, users with histories of known length, vectors of three kinds.

uniform   unit vectors without structure, histories at random: the hardest space to search
planted   clusters; a user watched nearly all near the centres they like: the hardest histories (FINDINGS 3)
real      text vectors of real titles, mixed two and two, and histories near a few of them
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.connect.demo.household import demo_item_bodies
from app.db import Connection, Engine, bench, servers, spaces, tastes
from app.learn.centring import centre_of, centred
from app.learn.text_encoder import TextEncoder, locate_model
from app.learn.text_template import item_text
from app.taste.compute import compute_tastes
from app.types import Server, Space

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


def build_world(engine: Engine, kind: DataKind, n_items: int, n_users: int, model_name: str, seed: int) -> World:
    """Fill a scratch database that has been migrated."""
    random = np.random.default_rng(seed)
    vectors, regions = _vectors(kind, n_items, model_name, random)
    with engine.begin() as connection:
        server, _ = servers.put_server(connection, "bench", "Benchmark", "api", {})
        item_ids = bench.make_items(connection, server.id, n_items)
        space = spaces.create_space(connection, server.id, "text", "bench", "bench", 1, DIMENSION, n_items)
        spaces.set_centre(connection, space, np.zeros(DIMENSION, dtype=np.float32), "items")
        digests = np.zeros(n_items, dtype="V32")
        for start in range(0, n_items, 50_000):
            part = slice(start, start + 50_000)
            spaces.write_vectors(
                connection, space, item_ids[part], vectors[part], np.ones(len(item_ids[part]), dtype=np.float32), digests[part]
            )
        spaces.index_space(connection, space)
        spaces.go_live(connection, space, datetime.now(UTC))
        histories = _write_histories(connection, server.id, item_ids, vectors, regions, n_users, random)
    with engine.begin() as connection:
        now = datetime.now(UTC)
        tastes.write_tastes(
            connection, space, compute_tastes(connection, space, tastes.users_with_engagement(connection, server.id), now), now
        )
    bench.settle(engine)
    return World(server, space, histories)


def _vectors(kind: DataKind, n_items: int, model_name: str, random: np.random.Generator) -> tuple[Floats, Floats]:
    """(item vectors, centres of the regions that people like)."""
    match kind:
        case "uniform":
            return _unit(random.standard_normal((n_items, DIMENSION), dtype=np.float32)), np.empty((0, DIMENSION), dtype=np.float32)
        case "planted":
            centres = _unit(random.standard_normal((N_CLUSTERS, DIMENSION), dtype=np.float32))
            noise = random.standard_normal((n_items, DIMENSION), dtype=np.float32) / np.sqrt(DIMENSION).astype(np.float32)
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


def _write_histories(
    connection: Connection, server_id: int, item_ids: Ints, vectors: Floats, regions: Floats, n_users: int, random: np.random.Generator
) -> dict[str, int]:
    lengths = [min(HISTORY_LENGTHS[user % len(HISTORY_LENGTHS)], len(item_ids) // 2) for user in range(n_users)]
    user_ids = bench.make_users(connection, server_id, n_users)
    watched = np.concatenate([item_ids[_history(vectors, regions, length, random)] for length in lengths])
    orders = np.concatenate([np.arange(length) for length in lengths])
    bench.make_engagement(connection, server_id, np.repeat(user_ids, lengths), watched, orders)
    return {f"user {user}": length for user, length in enumerate(lengths)}


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
