"""The next-item model as a recommender among others: scores by matrix, as no database is asked."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from app.learn.events import RATING_SLOPE, USUAL_RATING, Case, Events, Floats, Ints, recency
from app.learn.next_item import Parameters, compacted, learn, predictor
from app.learn.ranking import histories, popularity_of, ranked


class NextItem:
    """`rank` None: the whole predictor, nothing left out."""

    def __init__(self, rank: int | None = None, parameters: Parameters | None = None) -> None:
        self.name = "next-item" if rank is None else f"next-item rank {rank}"
        self._rank, self._parameters = rank, parameters or Parameters()

    def fit(self, train: Events) -> None:
        seen = weighed(train)
        self._popularity = popularity_of(train)
        if self._rank is None:
            self._whole = _whole(seen, self._parameters)
        else:
            self._vectors = learn(seen, Parameters(**vars(self._parameters) | {"rank": self._rank}))

    def recommend(self, cases: list[Case], n: int) -> Ints:
        return ranked(self._scores, self._popularity, cases, n)

    def _scores(self, cases: list[Case]) -> Floats:
        if self._rank is None:
            return np.asarray(tastes_of(cases, len(self._popularity), self._parameters.order_decay) @ self._whole, dtype=np.float32)
        return scores_of(cases, self._vectors.history, self._vectors.target, self._parameters.order_decay)


def scores_of(cases: list[Case], history: Floats, target: Floats, order_decay: float) -> Floats:
    """Of every item, by its vectors (n_items, r); shape (n_cases, n_items)."""
    return np.asarray((tastes_of(cases, len(target), order_decay) @ history) @ target.T, dtype=np.float32)


def tastes_of(cases: list[Case], n_items: int, order_decay: float) -> csr_matrix:
    """What each item of each history weighs, shape (n_cases, n_items)."""

    def weigh(case: Case) -> Floats:
        weights = interest(case.ratings) if case.weights is None else case.weights
        return np.asarray(recency(len(case.history), case.n_unordered, order_decay) * weights, dtype=np.float32)

    return histories(cases, n_items, weigh)


def weighed(train: Events) -> Events:
    """The same events, counting as their ratings say."""
    return replace(train, weights=(train.weights * interest(train.ratings)).astype(np.float32))


def interest(ratings: Floats) -> Floats:
    return np.asarray(np.where(np.isnan(ratings), 1.0, 1 + RATING_SLOPE * (ratings - USUAL_RATING)), dtype=np.float32)


def _whole(seen: Events, parameters: Parameters) -> Floats:
    warm, counted = compacted(seen)
    both = predictor(counted, parameters)
    whole = np.zeros((seen.n_items, seen.n_items), dtype=np.float32)
    whole[np.ix_(warm, warm)] = both
    return whole
