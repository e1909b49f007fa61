"""learn-collab: item vectors from what a server's people watched after what, as a new revision of its collab space.

Filled beside the live one, indexed, given tastes, and live in one transaction; killed at any moment it leaves the live one as it was.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from app.db import Engine, events, spaces
from app.db.locks import only_one
from app.errors import NothingToLearn
from app.learn.cold_items import predict_cold
from app.learn.events import Events
from app.learn.next_item import ItemVectors, Parameters, largest_solve, learn
from app.taste.history import History
from app.taste.recipes import WATCHING_WEIGHTS
from app.types import Progress, Server, Space, unseen
from jobs.refresh_tastes import refresh_space

log = structlog.get_logger()

MODEL_NAME, VERSION = "next-item", 1
MIN_USERS, MIN_ITEMS = 2, 20
# A space learned from so many events is trusted by half (EXPERIMENTS, households).
HALF_TRUSTED = 2_000.0


@dataclass(frozen=True)
class Learned:
    """What a run did."""

    space_id: int
    n_events: int
    n_items: int
    went_live: bool


def learn_collab(
    engine: Engine, server: Server, now: datetime, progress: Progress, *,
    memory_bytes: int | None = None, parameters: Parameters | None = None,
) -> Learned:  # fmt: skip
    """Raises NothingToLearn where hardly anything was watched, and AlreadyRunning while another process learns for this server.

    `memory_bytes`: what it may take, by default half of what is free; where that is too little for all items with events, the most
    watched carry the solve and the others are predicted.
    """
    with only_one(engine, f"learn-collab {server.id}"):
        with engine.begin() as connection:
            rows = events.read_engagement(connection, server.id)
            text = spaces.live_space(connection, server.id, "text")
            vectors = None if text is None else spaces.read_vectors(connection, text)
        item_ids, seen = read_events(rows, None if vectors is None else vectors["item_id"])
        seen = most_watched(seen, largest_solve(memory_bytes if memory_bytes is not None else free_bytes() // 2))
        if len(np.unique(seen.users)) < MIN_USERS or len(np.unique(seen.items)) < MIN_ITEMS:
            raise NothingToLearn
        found = learn(seen, parameters or Parameters(), progress)
        space = store_revision(engine, server, seen, item_ids, found, vectors, parameters or Parameters(), now)
        refresh_space(engine, space, now, unseen)
        put_live(engine, space, now)
    return Learned(space.id, int(found.n_events.sum()), int((found.n_events > 0).sum()), went_live=True)


def read_events(rows: npt.NDArray[Any], more_item_ids: npt.NDArray[np.int64] | None) -> tuple[npt.NDArray[np.int64], Events]:
    """Our ids of the items, by their position, and what was watched of them. `more_item_ids`: items that are to have a position too."""
    user_ids, users = np.unique(rows["user_id"], return_inverse=True)
    item_ids = np.unique(np.concatenate([rows["item_id"], rows["item_id"][:0] if more_item_ids is None else more_item_ids]))
    history = History.from_rows(rows)
    # As of the moment of watching: nothing is too fresh to count.
    weights = WATCHING_WEIGHTS.interest(history, np.full(len(rows), np.inf))
    items = np.searchsorted(item_ids, rows["item_id"])
    ratings, known = history.rating.astype(np.float32), np.where(history.is_seen, weights, 0.0).astype(np.float32)
    return item_ids, Events(users.astype(np.int64), items.astype(np.int64), ratings, known, len(user_ids), len(item_ids))


def most_watched(seen: Events, n_items: int) -> Events:
    """Only events of the `n_items` most watched items count; equally often watched ones by position."""
    counts = np.bincount(seen.items[seen.weights > 0], minlength=seen.n_items)
    if np.count_nonzero(counts) <= n_items:
        return seen
    chosen = np.zeros(seen.n_items, dtype=bool)
    chosen[np.argsort(-counts, kind="stable")[:n_items]] = True
    return replace(seen, weights=np.where(chosen[seen.items], seen.weights, 0).astype(np.float32))


def free_bytes() -> int:
    """Of memory, without what only caches files."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) * 1024


def store_revision(
    engine: Engine, server: Server, seen: Events, item_ids: npt.NDArray[np.int64], found: ItemVectors,
    vectors: npt.NDArray[Any] | None, parameters: Parameters, now: datetime,
) -> Space:  # fmt: skip
    """Write what was learned as a revision beside the live one, with predictions for the items of the text space (`vectors`) that nobody
    watched."""
    history, target, is_predicted = found.history, found.target, np.zeros(len(item_ids), dtype=bool)
    if vectors is not None and len(vectors):
        text, has_text = np.zeros((len(item_ids), vectors["target"].shape[1]), dtype=np.float32), np.isin(item_ids, vectors["item_id"])
        text[has_text] = vectors["target"]
        predicted = predict_cold(text, has_text, history, target, found.n_events)
        history, target, is_predicted = predicted.history, predicted.target, predicted.is_predicted
    kept = (found.n_events > 0) | is_predicted
    n_events = int(found.n_events.sum())
    card = {
        "parameters": asdict(parameters), "n_events": n_events, "n_users": seen.n_users, "n_items": int((found.n_events > 0).sum()),
        "n_predicted": int(is_predicted.sum()), "strength": n_events / (n_events + HALF_TRUSTED), "learned_at": now.isoformat(),
    }  # fmt: skip
    digest = hashlib.sha256(history[kept].tobytes() + target[kept].tobytes()).hexdigest()
    with engine.begin() as connection:
        leftover = spaces.building_space(connection, server.id, "collab")
        if leftover is not None:
            spaces.retire(connection, leftover)
        space = spaces.create_space(
            connection, server.id, "collab", MODEL_NAME, digest, VERSION, target.shape[1], spaces.count_items(connection, server.id)
        )
        spaces.set_card(connection, space, card)
        spaces.write_learned_vectors(connection, space, item_ids[kept], history[kept], target[kept], is_predicted[kept])
        spaces.index_space(connection, space)
    return space


def put_live(engine: Engine, space: Space, now: datetime) -> None:
    with engine.begin() as connection:
        spaces.go_live(connection, space, now)
    spaces.drop_retired_spaces(engine, space.server_id)
    log.info("space is live", space=space.id, model=space.model_name)
