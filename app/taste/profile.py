"""A taste: the weighted sum of what a user's items add to it, at unit length."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.taste.weights import History, weigh

# What reasons are made of: the items that weigh most.
MAX_HEAVIEST = 50


@dataclass(frozen=True)
class Taste:
    """`vector` is None where nothing positive is known. `heaviest`: items by falling weight, all positive. `due_at`: seconds since 1970."""

    vector: npt.NDArray[np.float32] | None
    heaviest: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    n_items: int
    due_at: float | None


def taste_of(history: History, vectors: npt.NDArray[np.float32], positions: npt.NDArray[np.int64], now: float) -> Taste:
    """`positions[i]` is the row of `vectors` (n, d) for the i-th item of the history, or -1 where it has none."""
    weights, due_at = weigh(history, now)
    heaviest = np.lexsort((history.item_ids, -weights))[:MAX_HEAVIEST]
    heaviest = heaviest[weights[heaviest] > 0]
    has_vector = positions >= 0
    vector = None
    if (weights[has_vector] > 0).any():
        total = weights[has_vector].astype(np.float32) @ vectors[positions[has_vector]]
        length = float(np.linalg.norm(total))
        vector = total / length if length > 1e-6 else None
    return Taste(vector, history.item_ids[heaviest], weights[heaviest].astype(np.float32), len(history.item_ids), due_at)
