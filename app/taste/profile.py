"""A taste: the weighted sum of what a user's items add to it, at unit length, and the interests inside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.learn.features import N_RECENT
from app.taste.facets import facets_of
from app.taste.history import History
from app.taste.recipes import Recipe

# What reasons are made of: the items that weigh most.
MAX_HEAVIEST = 50
# What a facet is named, explained and shown by; writing more of them is what a recomputation costs most.
MAX_OF_INTEREST = 20

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Interest:
    """A facet: `item_ids` by falling weight; `share` of the positive weight, 0..1."""

    vector: Floats
    item_ids: Ints
    weights: Floats
    share: float


@dataclass(frozen=True)
class Taste:
    """`vector` is None where nothing positive is known; `length` is what it had before it was brought to one. `heaviest`: items by falling
    weight, all positive. `due_at`: seconds since 1970. `recent`: the latest items that were watched, newest first."""

    vector: Floats | None
    heaviest: Ints
    weights: Floats
    n_items: int
    due_at: float | None
    interests: Sequence[Interest]
    length: float = 1.0
    recent: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def taste_of(recipe: Recipe, history: History, vectors: Floats, positions: Ints, now: float) -> Taste:
    """`positions[i]` is the row of `vectors` (n, d) for the i-th item of the history, or -1 where it has none."""
    weights, due_at = recipe.weights.weigh(history, now)
    heaviest = np.lexsort((history.item_ids, -weights))[:MAX_HEAVIEST]
    heaviest = heaviest[weights[heaviest] > 0]
    draws = (positions >= 0) & (weights > 0)
    vector, interests, length = None, [], 1.0
    if draws.any():
        says = positions >= 0
        total = weights[says].astype(np.float32) @ vectors[positions[says]]
        length = float(np.linalg.norm(total))
        vector = total / length if length > 1e-6 else None
    if vector is not None and recipe.max_facets:
        drawing = np.flatnonzero(draws)
        drawing = drawing[np.lexsort((history.item_ids[drawing], -weights[drawing]))]
        interests = _interests(history.item_ids[drawing], weights[drawing].astype(np.float32), vectors, positions[drawing])
    if vector is not None and recipe.long_term is not None:
        interests = _long_term(recipe.long_term.weigh(history, now)[0], vectors, positions)
    n_items, recent = len(history.item_ids), _recent(recipe, history, weights)
    return Taste(vector, history.item_ids[heaviest], weights[heaviest].astype(np.float32), n_items, due_at, interests, length, recent)


def _long_term(weights: npt.NDArray[np.float64], vectors: Floats, positions: Ints) -> list[Interest]:
    """The one facet of a taste in a space learned from behaviour: named and shown by nothing."""
    says = positions >= 0
    total = weights[says].astype(np.float32) @ vectors[positions[says]]
    length, nothing = float(np.linalg.norm(total)), np.zeros(0, dtype=np.int64)
    return [Interest(total / length, nothing, nothing.astype(np.float32), 1.0)] if length > 1e-6 else []


def _recent(recipe: Recipe, history: History, weights: npt.NDArray[np.float64]) -> Ints:
    if recipe.newest_first is None:
        return np.zeros(0, dtype=np.int64)
    newest_first = recipe.newest_first(history)
    counts = history.is_seen[newest_first] & (weights[newest_first] > 0)
    return history.item_ids[newest_first[counts][:N_RECENT]]


def _interests(item_ids: Ints, weights: Floats, vectors: Floats, positions: Ints) -> list[Interest]:
    """Of items by falling weight."""
    found = []
    for facet in facets_of(vectors, positions, weights):
        members = facet.members[:MAX_OF_INTEREST]
        found.append(Interest(facet.vector, item_ids[members], weights[members], facet.share))
    return found
