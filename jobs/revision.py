"""A revision of a collab space in memory: what was watched and what a pack says, as vectors of the items and a card."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from app.db.packs import Base
from app.errors import NotEnoughMemory, NothingToLearn
from app.learn import two_tower
from app.learn.blocks import Joined, Text, joined
from app.learn.events import MIN_ITEMS, MIN_USERS, Events
from app.learn.next_item import ItemVectors, Parameters, learn
from app.types import Progress
from jobs.memory import fitting

MODEL_NAME, VERSION = "next-item", 1
# A space learned from so many events is trusted by half (EXPERIMENTS, households).
HALF_TRUSTED = 500.0
# How far the items that a pack knows stand for what will be watched of them, in events (EXPERIMENTS, packs).
COVERAGE_EVENTS = 20.0

ItemIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Revision:
    """`vectors` at the positions of `item_ids`, which are sorted."""

    item_ids: ItemIds
    vectors: Joined
    card: dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What a revision is made of beside events: `vectors` of the text space and the `base` of an installed pack, where there are any, and
    the memory that learning may take."""

    item_ids: ItemIds
    vectors: npt.NDArray[Any] | None
    base: Base | None
    memory_bytes: int

    def learned_from(self, seen: Events, parameters: Parameters, now: datetime, progress: Progress) -> Revision:
        """Raises NothingToLearn where there is no pack and hardly anything was watched, and NotEnoughMemory."""
        try:
            seen = fitting(seen, self.memory_bytes)
            if not is_enough(seen):
                raise NothingToLearn
        except (NothingToLearn, NotEnoughMemory):
            if self.base is None:
                raise
            # A pack needs no solve: then nothing is learned beside it, and every item is without events.
            seen = seen.counting(np.zeros(len(seen), dtype=np.bool_))
        return revision_of(seen, self.item_ids, learn(seen, parameters, progress), self.vectors, parameters, now, self.base)


def revision_of(
    seen: Events, item_ids: ItemIds, found: ItemVectors, vectors: npt.NDArray[Any] | None, parameters: Parameters, now: datetime,
    base: Base | None = None,
) -> Revision:  # fmt: skip
    """What was learned (`found`), with predictions for the items of the text space (`vectors`) that nobody watched.

    With a pack, its block stands before the one of what was learned here, which weighs as much as its events make it trusted.
    """
    text, card = text_of(item_ids, vectors), card_of(seen, found, parameters, now)
    card["strength"] = trust_of(card["n_events"])
    if base is None:
        return told(item_ids, joined([(found, 1.0)], text), card)
    pack, own = vectors_at(item_ids, base), card["strength"]
    strength = trust_of(int(base.card["n_events"])) * coverage(pack.n_events > 0, seen)
    blocks = [(pack, 1.0)] + ([(found, own)] if own > 0 else [])
    named = {name: base.card[name] for name in ("source", "digest", "n_events", "licence")} | {"space_id": base.space_id}
    return told(item_ids, joined(blocks, text), card | {"pack": named, "strength": 1 - (1 - strength) * (1 - own)})


def told(item_ids: ItemIds, vectors: Joined, card: dict[str, Any]) -> Revision:
    """With a card that says how many items are predicted."""
    return Revision(item_ids, vectors, card | {"n_predicted": int(vectors.is_predicted[vectors.is_kept].sum())})


def card_of(seen: Events, found: ItemVectors, parameters: Parameters | two_tower.Parameters, now: datetime) -> dict[str, Any]:
    return {
        "parameters": asdict(parameters), "n_events": int(found.n_events.sum()), "n_users": seen.n_users,
        "n_items": int((found.n_events > 0).sum()), "learned_at": now.isoformat(),
    }  # fmt: skip


def is_enough(seen: Events) -> bool:
    watched = seen.weights > 0
    return len(np.unique(seen.users[watched])) >= MIN_USERS and len(np.unique(seen.items[watched])) >= MIN_ITEMS


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
