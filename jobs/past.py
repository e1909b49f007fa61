"""A server's past as a ranker learns it: moments with their lists, made by what was known before them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from app.db import Engine, events, packs, spaces
from app.db.descriptions import ItemDescription, describe_items
from app.db.retrieval import LEARNED_WEIGHT
from app.learn import next_item, two_tower
from app.learn.events import Floats
from app.learn.features import features_of
from app.learn.item_facts import Description, ItemFacts, item_facts
from app.taste.recipes import recipe_of
from app.types import Progress, Server
from jobs.learn_two_tower import towers_of
from jobs.lists import Offered, Retrieval, Vectors, lists_of
from jobs.memory import usual_bytes
from jobs.moments import Moments, moments_of
from jobs.revision import Material, Revision, text_of
from jobs.watched import Watched, watched_in


@dataclass(frozen=True)
class Past:
    """`described` stands at the positions of the events' items."""

    watched: Watched
    moments: Moments
    retrieval: Retrieval
    facts: ItemFacts
    described: Sequence[Description | None]

    def lists(self, chosen: npt.NDArray[np.int64]) -> Iterator[tuple[Floats, Offered]]:
        """Of each moment its candidates, and their features (n, n_features)."""
        for offered in lists_of(self.watched, self.retrieval, chosen):
            yield features_of(self.facts, offered.listed), offered

    def facts_now(self) -> ItemFacts:
        """Of all that was watched, these moments too: what a request is answered with."""
        return item_facts(self.watched.events, self.watched.item_ids, self.described)


@dataclass(frozen=True)
class Learning:
    """How the spaces learned from behaviour are learned; None: as the jobs do."""

    vectors: next_item.Parameters | None = None
    towers: two_tower.Parameters | None = None


def read_past(engine: Engine, server: Server, now: datetime, progress: Progress, learning: Learning | None = None) -> Past:
    """The spaces that are live, learned anew from what was watched before the moments.

    Raises NothingToLearn and NotEnoughMemory, as learning them does.
    """
    chosen = learning or Learning()
    with engine.begin() as connection:
        base = packs.base_in_use(connection, server.id)
        rows = events.read_engagement(connection, server.id)
        live = {space.kind: space for space in spaces.live_spaces(connection, server.id)}
        vectors = spaces.read_vectors(connection, live["text"]) if "text" in live else None
        items = describe_items(connection, server.id)
        bodies = events.read_bodies(connection, server.id, list(items)) if "two_tower" in live else {}
    more = [np.array(list(items), dtype=np.int64)] + ([] if base is None else [base.item_ids])
    more += [] if vectors is None else [vectors["item_id"]]
    watched = watched_in(rows, np.concatenate(more))
    moments = moments_of(watched)
    before = watched.events.counting(moments.is_before)
    material = Material(watched.item_ids, vectors, base, usual_bytes())
    revision = material.learned_from(before, chosen.vectors or next_item.Parameters(), now, progress)
    towers = None
    if "two_tower" in live:
        towers = towers_of(replace(watched, events=before), bodies, vectors, chosen.towers or two_tower.Parameters(), now, progress)
    at_positions = [items.get(item_id) for item_id in watched.item_ids.tolist()]
    described = [None if one is None else one.description for one in at_positions]
    retrieval = _retrieval(server, revision, towers, vectors, at_positions)
    return Past(watched, moments, retrieval, item_facts(before, watched.item_ids, described), described)


def _retrieval(
    server: Server, revision: Revision, towers: Revision | None, vectors: npt.NDArray[np.void] | None,
    items: Sequence[ItemDescription | None],
) -> Retrieval:  # fmt: skip
    n_items, text = len(items), text_of(revision.item_ids, vectors)
    prior, popularity, is_open = (
        np.array([0.0 if one is None else float(getattr(one, name)) for one in items], dtype=np.float32)
        for name in ("prior", "popularity", "is_available")
    )
    return Retrieval(
        collab=_learned(revision),
        two_tower=Vectors.none(n_items) if towers is None else _learned(towers),
        text=Vectors.none(n_items) if text is None else Vectors.halved(text.vectors, text.vectors, text.is_known, 1.0),
        prior=prior, popularity=popularity, is_open=is_open > 0,
        recipe=recipe_of(server, "collab"), text_recipe=recipe_of(server, "text"),
    )  # fmt: skip


def _learned(revision: Revision) -> Vectors:
    found, strength = revision.vectors, float(revision.card.get("strength", 1.0))
    return Vectors.halved(found.history, found.target, found.is_kept, LEARNED_WEIGHT * strength)
