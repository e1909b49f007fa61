"""Several models of the same items as one space: the sum of their inner products is the inner product of concatenated vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.learn.cold_items import predict_cold
from app.learn.next_item import ItemVectors

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Text:
    """`vectors` (n_items, d), unit rows; zeros where not `is_known` (n_items,)."""

    vectors: Floats
    is_known: Flags


@dataclass(frozen=True)
class Joined:
    """`is_predicted` (n_items,): in every block, as nobody watched the item anywhere."""

    history: Floats
    target: Floats
    n_events: npt.NDArray[np.int64]
    is_predicted: Flags

    @property
    def is_kept(self) -> Flags:
        return (self.n_events > 0) | self.is_predicted


def joined(blocks: Sequence[tuple[ItemVectors, float]], text: Text | None) -> Joined:
    """Blocks with the weight of each one's scores. What a block doesn't know is predicted from text, for each block by itself.

    Targets are whitened and histories brought to one mean length, so that a taste's scores in each block have a like spread before
    they are weighed. One block alone stays as it is.
    """
    n_events = np.sum([found.n_events for found, _ in blocks], axis=0)
    histories, targets, predicted = [], [], np.zeros(len(n_events), dtype=np.bool_)
    for found, weight in blocks:
        history, target = found.history, found.target
        scale = weight / _length(history[found.n_events > 0]) if len(blocks) > 1 else 1.0
        if text is not None:
            filled = predict_cold(text.vectors, text.is_known, history, target, found.n_events)
            history, target, predicted = filled.history, filled.target, predicted | filled.is_predicted
        histories.append(history * np.float32(scale))
        targets.append(target)
    history = np.hstack(histories)
    # Half precision has no room for small numbers.
    history /= _length(history) / np.sqrt(history.shape[1]) if len(blocks) > 1 else 1.0
    return Joined(history, np.hstack(targets), n_events, predicted & (n_events == 0))


def _length(vectors: Floats) -> np.float32:
    """The root of the mean squared length of rows."""
    return np.float32(max(float(np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1).mean())), 1e-12) if len(vectors) else 1.0)
