"""learn-collab: item vectors from what a server's people watched after what, as a new revision of its collab space.

Filled beside the live one, indexed, given tastes, and live in one transaction; killed at any moment it leaves the live one as it was.
Where a pack is installed, the revision is two blocks of one space: the pack's, and what was learned here.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from app.db import Engine, events, packs, spaces
from app.db.locks import only_one
from app.db.packs import Base
from app.errors import NothingToLearn
from app.learn.blocks import Joined, Text, joined
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
HALF_TRUSTED = 500.0
# How far the items that a pack knows stand for what will be watched of them, in events (EXPERIMENTS, packs).
COVERAGE_EVENTS = 20.0


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
            base = packs.base_in_use(connection, server.id)
        return learn_revision(engine, server, base, now, progress, memory_bytes=memory_bytes, parameters=parameters)


def learn_revision(
    engine: Engine, server: Server, base: Base | None, now: datetime, progress: Progress, *,
    memory_bytes: int | None = None, parameters: Parameters | None = None,
) -> Learned:  # fmt: skip
    """As `learn_collab`, on what a pack says (`base`) and what was watched here. The caller holds the lock.

    Raises NothingToLearn where there is no pack and hardly anything was watched.
    """
    chosen = parameters or Parameters()
    with engine.begin() as connection:
        rows = events.read_engagement(connection, server.id)
        text = spaces.live_space(connection, server.id, "text")
        vectors = None if text is None else spaces.read_vectors(connection, text)
    more = [] if vectors is None else [vectors["item_id"]]
    more += [] if base is None else [base.item_ids]
    item_ids, seen = read_events(rows, np.concatenate(more) if more else None)
    seen = most_watched(seen, largest_solve(memory_bytes if memory_bytes is not None else free_bytes() // 2))
    watched = seen.weights > 0
    is_enough = len(np.unique(seen.users[watched])) >= MIN_USERS and len(np.unique(seen.items[watched])) >= MIN_ITEMS
    if not is_enough and base is None:
        raise NothingToLearn
    # Without people nothing is learned, and every item is without events.
    found = learn(seen if is_enough else replace(seen, weights=np.zeros_like(seen.weights)), chosen, progress)
    if base is None:
        space = store_revision(engine, server, seen, item_ids, found, vectors, chosen, now)
    else:
        space = store_with_pack(engine, server, seen, item_ids, found, base, vectors, chosen, now)
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
    revision = joined([(found, 1.0)], text_of(item_ids, vectors))
    return _store(engine, server, item_ids, revision, _card(seen, found, parameters, now))


def store_with_pack(
    engine: Engine, server: Server, seen: Events, item_ids: npt.NDArray[np.int64], found: ItemVectors, base: Base,
    vectors: npt.NDArray[Any] | None, parameters: Parameters, now: datetime,
) -> Space:  # fmt: skip
    """The same, with the pack's block before the one of what was learned here, which weighs as much as its events make it trusted."""
    pack, card = vectors_at(item_ids, base), _card(seen, found, parameters, now)
    own = card["strength"]
    strength = trust_of(int(base.card["n_events"])) * coverage(pack.n_events > 0, seen)
    blocks = [(pack, 1.0)] + ([(found, own)] if own > 0 else [])
    named = {name: base.card[name] for name in ("source", "digest", "n_events", "licence")} | {"space_id": base.space_id}
    card |= {"pack": named, "strength": 1 - (1 - strength) * (1 - own)}
    return _store(engine, server, item_ids, joined(blocks, text_of(item_ids, vectors)), card)


def trust_of(n_events: int) -> float:
    return n_events / (n_events + HALF_TRUSTED)


def coverage(is_known: npt.NDArray[np.bool_], seen: Events) -> float:
    """The share of what was watched here that a pack knows, 0..1; where little was, nearer to its share of all items."""
    watched = is_known[seen.items[seen.weights > 0]]
    return float((COVERAGE_EVENTS * is_known.mean() + watched.sum()) / (COVERAGE_EVENTS + len(watched)))


def vectors_at(item_ids: npt.NDArray[np.int64], base: Base) -> ItemVectors:
    """Those of a pack, at the positions of `item_ids`, which are sorted and hold all of the pack's."""
    place = np.searchsorted(item_ids, base.item_ids)
    history, target = (np.zeros((len(item_ids), base.target.shape[1]), dtype=np.float32) for _ in range(2))
    n_events = np.zeros(len(item_ids), dtype=np.int64)
    history[place], target[place], n_events[place] = base.history, base.target, base.n_events
    return ItemVectors(history, target, n_events)


def text_of(item_ids: npt.NDArray[np.int64], vectors: npt.NDArray[Any] | None) -> Text | None:
    """What cold items are predicted from."""
    if vectors is None or not len(vectors):
        return None
    text, has_text = np.zeros((len(item_ids), vectors["target"].shape[1]), dtype=np.float32), np.isin(item_ids, vectors["item_id"])
    text[has_text] = vectors["target"]
    return Text(text, has_text)


def _card(seen: Events, found: ItemVectors, parameters: Parameters, now: datetime) -> dict[str, Any]:
    n_events = int(found.n_events.sum())
    return {
        "parameters": asdict(parameters), "n_events": n_events, "n_users": seen.n_users, "n_items": int((found.n_events > 0).sum()),
        "strength": trust_of(n_events), "learned_at": now.isoformat(),
    }  # fmt: skip


def _store(engine: Engine, server: Server, item_ids: npt.NDArray[np.int64], revision: Joined, card: dict[str, Any]) -> Space:
    kept = revision.is_kept
    history, target, is_predicted = revision.history[kept], revision.target[kept], revision.is_predicted[kept]
    digest = hashlib.sha256(history.tobytes() + target.tobytes()).hexdigest()
    with engine.begin() as connection:
        space = spaces.create_space(
            connection, server.id, "collab", MODEL_NAME, digest, VERSION, target.shape[1], spaces.count_items(connection, server.id)
        )
        spaces.set_card(connection, space, card | {"n_predicted": int(is_predicted.sum())})
        spaces.write_learned_vectors(connection, space, item_ids[kept], history, target, is_predicted)
        spaces.index_space(connection, space)
    return space


def put_live(engine: Engine, space: Space, now: datetime) -> None:
    with engine.begin() as connection:
        spaces.go_live(connection, space, now)
        packs.retire_unused(connection, space.server_id)
    spaces.drop_retired_spaces(engine, space.server_id)
    log.info("space is live", space=space.id, model=space.model_name)
