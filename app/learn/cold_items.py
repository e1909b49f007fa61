"""Vectors for items that nobody watched yet, from their text: a ridge map learned on those that were. Text alone is weak
(EXPERIMENTS, before the first version), but it is what a new title has."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

# Below so many watched items there is nothing to learn a map from.
MIN_WARM = 50
# Chosen in EXPERIMENTS, cold items.
RIDGE = 0.3
# How far a predicted item's scores spread over the tastes there are, among those of watched items. A prediction is a mean and lies short:
# left as it is it is found less often than by chance.
LEVEL = 0.75
# An item watched this often counts as half as much as one watched by everybody: its vector is half noise.
HALF_KNOWN = 5.0


@dataclass(frozen=True)
class Predicted:
    """Rows of `history` and `target` (n, r) hold predictions where `is_predicted` (n,)."""

    history: Floats
    target: Floats
    is_predicted: Flags


def predict_cold(text: Floats, has_text: Flags, history: Floats, target: Floats, n_events: npt.NDArray[np.int64]) -> Predicted:
    """`text` (n, d), unit rows; items without events get what those alike in text have, those without text too stay as they are."""
    warm, cold = (n_events > 0) & has_text, (n_events == 0) & has_text
    if warm.sum() < MIN_WARM or not cold.any():
        return Predicted(history, target, np.zeros(len(text), dtype=bool))
    trust = n_events[warm] / (n_events[warm] + HALF_KNOWN)
    both = np.hstack([history, target]).astype(np.float64)
    known = np.hstack([text, np.ones((len(text), 1), dtype=np.float32)]).astype(np.float64)
    weighted = known[warm] * trust[:, None]
    gram = weighted.T @ known[warm]
    gram[np.diag_indices(len(gram) - 1)] += RIDGE
    weights = np.linalg.solve(gram, weighted.T @ both[warm])
    both[cold] = known[cold] @ weights
    rank = history.shape[1]
    if cold.sum() <= warm.sum():
        # Where hardly anything was watched, that nobody watched an item says nothing, and there are too many of them.
        spread = _spread(both[:, rank:], history[warm].astype(np.float64))
        both[cold, rank:] *= (np.quantile(spread[warm], LEVEL) / np.maximum(spread[cold], 1e-9))[:, None]
    return Predicted(both[:, :rank].astype(np.float32), both[:, rank:].astype(np.float32), cold)


def _spread(target: npt.NDArray[np.float64], tastes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The root mean square of each item's score over these tastes."""
    moment = tastes.T @ tastes / len(tastes)
    return np.asarray(np.sqrt(np.maximum(np.einsum("ij,ij->i", target @ moment, target), 0)))
