"""What a recommender has to beat: what is popular, who is like you, what goes with what, and texts alone.

All fold a history in at the moment they are asked, so that a user who was not learned from is asked like any other.
"""

from abc import ABC, abstractmethod

import numpy as np
from scipy.sparse import csr_matrix

from app.learn.centring import centre_of, centred
from app.learn.events import Case, Events, Floats, Ints
from app.learn.ranking import first, histories, popularity_of, ranked, valued, watched

RECENCY = 0.8
# Where no rating was given: what MovieLens users give on average, so that a rating more or less counts against it.
USUAL_RATING = 7.2


class Scoring(ABC):
    """A recommender that scores every item; whoever has no history gets the popular."""

    name: str

    def fit(self, train: Events) -> None:
        self._n_items = train.n_items
        self._popularity = popularity_of(train)
        self.learn(train)

    def recommend(self, cases: list[Case], n: int) -> Ints:
        return ranked(self.score, self._popularity, cases, n)

    @abstractmethod
    def learn(self, train: Events) -> None: ...

    @abstractmethod
    def score(self, cases: list[Case]) -> Floats:
        """Shape (n_cases, n_items)."""


def evenly(case: Case) -> Floats:
    return np.ones(len(case.history), dtype=np.float32)


def by_recency_and_rating(case: Case) -> Floats:
    """k^-0.8 for the item k steps back, times its rating: with EASE .147 against .096 on unseen users (EXPERIMENTS, before the first
    version)."""
    return np.asarray(known(case.ratings) * np.arange(len(case.ratings), 0, -1) ** -RECENCY, dtype=np.float32)


def known(ratings: Floats) -> Floats:
    return np.where(np.isnan(ratings), USUAL_RATING, ratings).astype(np.float32)


class Popularity(Scoring):
    """How many watched it."""

    name = "popularity"

    def learn(self, train: Events) -> None:
        """The counts are known already."""

    def score(self, cases: list[Case]) -> Floats:
        return np.tile(self._popularity, (len(cases), 1))


class RecentPopularity(Scoring):
    """How many have it among the last they watched: there may be an order where there is no time."""

    name = "recent popularity"
    # Of 5, 10, 20, 50 and 100: the best on MovieLens' last tenths, by .000 to .006.
    LAST = 20

    def learn(self, train: Events) -> None:
        sizes = np.bincount(train.users, minlength=train.n_users)
        n_later = np.cumsum(sizes)[train.users] - 1 - np.arange(len(train))
        kept = (n_later < self.LAST) & (train.weights > 0)
        self._recent = np.bincount(train.items[kept], minlength=train.n_items).astype(np.float32)

    def score(self, cases: list[Case]) -> Floats:
        return np.tile(self._recent, (len(cases), 1))


class ItemKnn(Scoring):
    """Cosine of those who watched; an item adds to its nearest only (Sarwar et al. 2001)."""

    name = "item-knn"
    # Of 50, 100, 200 and 400, and none with shrinkage: .079 on MovieLens' last tenths, .074 to .078 elsewhere.
    N_NEIGHBOURS = 50

    def learn(self, train: Events) -> None:
        matrix = watched(train)
        # A household watched few of the items: what nobody watched goes with nothing.
        self._known = np.flatnonzero(matrix.getnnz(axis=0))
        matrix = matrix[:, self._known]
        together = (matrix.T @ matrix).toarray()
        length = np.sqrt(np.diag(together))
        np.fill_diagonal(together, 0)
        together /= np.maximum(np.outer(length, length), 1)
        self._nearest = keep_first(together, self.N_NEIGHBOURS)

    def score(self, cases: list[Case]) -> Floats:
        scores = np.zeros((len(cases), self._n_items), dtype=np.float32)
        scores[:, self._known] = (histories(cases, self._n_items, evenly)[:, self._known] @ self._nearest).toarray()
        return scores


class UserKnn(Scoring):
    """What the nearest others watched and how they rated it, each by the cosine of the two histories, the asked one's weighted too.

    Weighted by recency and rating, it finds .126 for .083 on MovieLens' last tenths, .076 for .043 on last items, and in households
    of eight .036 for .028.
    """

    name = "user-knn"
    # Of 50, 100, 200 and 400: within .003 of each other on MovieLens' last tenths, 50 and 100 ahead on last items.
    N_NEIGHBOURS = 100

    def learn(self, train: Events) -> None:
        self._watched = watched(train)
        self._rated = valued(train, known(train.ratings))
        self._length = np.sqrt(self._watched.getnnz(axis=1)).astype(np.float32)

    def score(self, cases: list[Case]) -> Floats:
        # The length of the asked history is the same for all neighbours, so it can be left out.
        near = (histories(cases, self._n_items, by_recency_and_rating) @ self._watched.T).toarray() / np.maximum(self._length, 1)
        # Nobody is a neighbour of their own.
        near[np.arange(len(cases)), [case.user for case in cases]] = 0
        return np.asarray((keep_first(near, self.N_NEIGHBOURS) @ self._rated).toarray(), dtype=np.float32)


class TextMean(Scoring):
    """The mean of the text vectors of the history, unweighted, against all of them, as other recommenders for media servers make it
    (EXPERIMENTS, before the first version)."""

    def __init__(self, name: str, vectors: Floats) -> None:
        self.name, self._vectors = name, vectors

    def learn(self, train: Events) -> None:
        """Texts learn nothing from what was watched."""

    def score(self, cases: list[Case]) -> Floats:
        # A sum ranks as the mean does.
        sums = histories(cases, self._n_items, evenly) @ self._vectors
        return np.asarray(sums @ self._vectors.T, dtype=np.float32)


def text_flat_mean(raw: Floats) -> TextMean:
    """`raw`: unit rows, as the encoder gives them."""
    return TextMean("text (flat mean)", raw)


def text_centred(raw: Floats) -> TextMean:
    return TextMean("text (centred)", centred(raw, centre_of(raw))[0])


def keep_first(scores: Floats, n: int) -> csr_matrix:
    """The `n` largest of each row that are above 0, the rest left out."""
    columns = first(scores, n)
    rows = np.repeat(np.arange(len(scores)), columns.shape[1])
    values = np.take_along_axis(scores, columns, axis=1).ravel()
    kept = values > 0
    return csr_matrix((values[kept], (rows[kept], columns.ravel()[kept])), shape=scores.shape)
