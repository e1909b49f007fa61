"""EASE: item-to-item ridge whose diagonal is held at zero, in closed form (Steck 2019, Embarrassingly Shallow Autoencoders)."""

from collections.abc import Callable

import numpy as np

from app.learn.baselines import Scoring, by_recency_and_rating, evenly
from app.learn.events import Case, Events, Floats
from app.learn.ranking import histories, watched
from app.learn.ridge import without_diagonal
from app.learn.splits import ProtocolName

# Users whose histories stand dense in memory at once.
BLOCK = 1024
LIKED = 8.0


class Ease(Scoring):
    """`weigh` says what each item of a history adds when it is asked; rows rated below `min_rating` are neither learned nor added."""

    def __init__(self, name: str, ridge: float, weigh: Callable[[Case], Floats] = evenly, min_rating: float = 0.0) -> None:
        self.name, self._ridge, self._weigh, self._min_rating = name, ridge, weigh, min_rating

    def learn(self, train: Events) -> None:
        matrix = watched(train.rows(~(train.ratings < self._min_rating)))
        # An item nobody watched has an empty row and column in B: the solve can do without it.
        self._known = np.flatnonzero(matrix.getnnz(axis=0))
        matrix = matrix[matrix.getnnz(axis=1) > 0][:, self._known]
        gram = np.zeros((len(self._known), len(self._known)), dtype=np.float32)
        for start in range(0, matrix.shape[0], BLOCK):
            rows = matrix[start : start + BLOCK].toarray()
            gram += rows.T @ rows
        self._weights = without_diagonal(np.asfortranarray(gram, dtype=np.float64), self._ridge).astype(np.float32)

    def score(self, cases: list[Case]) -> Floats:
        scores = np.zeros((len(cases), self._n_items), dtype=np.float32)
        scores[:, self._known] = histories(cases, self._n_items, self._counted)[:, self._known] @ self._weights
        return scores

    def _counted(self, case: Case) -> Floats:
        return np.where(case.ratings < self._min_rating, 0, self._weigh(case)).astype(np.float32)


def ease(protocol: ProtocolName) -> Ease:
    """As first measured under each protocol (EXPERIMENTS, before the first version); in households .032, and .026 with a ridge of 500 on
    all ratings."""
    if protocol == "last-tenth":
        return Ease("ease", ridge=200, min_rating=LIKED)
    if protocol == "households":
        return Ease("ease", ridge=50, min_rating=LIKED)
    return Ease("ease", ridge=500)


def ease_recency() -> Ease:
    return Ease("ease (recency)", ridge=500, weigh=by_recency_and_rating)
