"""Factor models of the package `implicit`, with fixed seeds and as many threads as keep them the same at every run."""

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from app.learn.baselines import Scoring, evenly
from app.learn.events import Case, Events, Floats
from app.learn.ranking import histories, watched

SEED = 0


class Ials(Scoring):
    """Weighted matrix factorisation (Hu, Koren, Volinsky 2008). Everybody is folded in by the exact solve for their own factors."""

    name = "ials"
    # Of 64 to 256 factors, regularisation 1 to 100 and alpha 0.5 to 10: .086 on MovieLens' last tenths, .068 to .085 elsewhere.

    def __init__(self, n_factors: int = 64, regularisation: float = 30.0, alpha: float = 2.0, n_rounds: int = 15) -> None:
        self._settings = {"factors": n_factors, "regularization": regularisation, "alpha": alpha, "iterations": n_rounds}

    def learn(self, train: Events) -> None:
        # `implicit` warns of threads of BLAS beside its own while they are not limited.
        with threadpool_limits(1, "blas"):
            from implicit.cpu.als import AlternatingLeastSquares

            self._model: Any = AlternatingLeastSquares(**self._settings, num_threads=2, random_state=SEED)
            self._model.fit(watched(train), show_progress=False)

    def score(self, cases: list[Case]) -> Floats:
        with threadpool_limits(1, "blas"):
            users = self._model.recalculate_user(np.arange(len(cases)), histories(cases, self._n_items, evenly))
        return np.asarray(users @ self._model.item_factors.T, dtype=np.float32)


class Bpr(Scoring):
    """Factors that rank watched above unwatched (Rendle et al. 2009).

    Who was not learned from has no factors, and there is no closed form for them: they are predicted from the mean of the item factors
    of the history, by a ridge map fitted on the users who were.
    """

    name = "bpr"
    # Of 32 and 64 factors, rates .005 to .05 and 40 to 150 rounds: .072 on MovieLens' last tenths, .044 to .068 elsewhere.

    def __init__(self, n_factors: int = 32, rate: float = 0.005, regularisation: float = 0.01, n_rounds: int = 40) -> None:
        self._settings = {"factors": n_factors, "learning_rate": rate, "regularization": regularisation, "iterations": n_rounds}

    def learn(self, train: Events) -> None:
        matrix = watched(train)
        with threadpool_limits(1, "blas"):
            from implicit.cpu.bpr import BayesianPersonalizedRanking

            # One thread: two would write the same factors in an order that differs from run to run.
            model: Any = BayesianPersonalizedRanking(**self._settings, num_threads=1, random_state=SEED)
            model.fit(matrix, show_progress=False)
        self._items, self._users = model.item_factors, model.user_factors
        self._is_learned = matrix.getnnz(axis=1) > 0
        known = matrix[self._is_learned]
        means = np.hstack([known @ self._items / known.getnnz(axis=1)[:, None], np.ones((known.shape[0], 1))])
        gram = means.T @ means + 1e-2 * np.eye(means.shape[1])
        self._map = np.linalg.solve(gram, means.T @ self._users[self._is_learned]).astype(np.float32)

    def score(self, cases: list[Case]) -> Floats:
        asked = histories(cases, self._n_items, evenly)
        n_seen = asked.getnnz(axis=1)[:, None]
        means = np.hstack([asked @ self._items / np.maximum(n_seen, 1), np.ones((len(cases), 1))])
        positions = np.array([case.user for case in cases])
        users = np.where(self._is_learned[positions][:, None], self._users[positions], means @ self._map)
        return np.asarray(np.where(n_seen > 0, users, 0) @ self._items.T, dtype=np.float32)
