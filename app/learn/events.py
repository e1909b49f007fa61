"""What was watched, as arrays: what models learn from and are asked with."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

# What the k-th newest event of a history weighs (k^-ORDER_DECAY), and what a rating says beside having been watched: USUAL_RATING counts
# as one whole watching, each point above it adds RATING_SLOPE and each below takes it away. For learning, asking and evaluating alike
# (EXPERIMENTS, learned from behaviour).
ORDER_DECAY = 0.9
USUAL_RATING, RATING_SLOPE = 7.0, 0.05

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """One row per (user, item), sorted by user and within a user oldest first. Positions count from 0.

    `users`, `items` and `ratings` have shape (n,); ratings are 0..10, NaN where none was given; `weights` (n,) say how much of
    an event each was: 1 watched, 0 not at all.
    """

    users: Ints
    items: Ints
    ratings: Floats
    weights: Floats
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.users)

    def of_users(self, chosen: npt.NDArray[np.bool_]) -> "Events":
        """Those of the users for whom `chosen` (n_users,) is true, under the same positions."""
        kept = chosen[self.users]
        return Events(self.users[kept], self.items[kept], self.ratings[kept], self.weights[kept], self.n_users, self.n_items)


@dataclass(frozen=True)
class Case:
    """Somebody to recommend to: `history` and `ratings` (n,), oldest first; `relevant`: the held-out items to be found."""

    user: int
    history: Ints
    ratings: Floats
    relevant: Ints


@dataclass(frozen=True)
class Task:
    """Learn from `train` and nothing else, then answer the cases. The history of a case may be in `train` or not."""

    train: Events
    cases: list[Case]


class Recommender(Protocol):
    """`fit`, then `recommend`: positions of the first `n` items for each case, best first, -1 where there are no more; shape (n_cases, n).

    Nothing of a case's history may be among them. Ties go to the smaller position.
    """

    name: str

    def fit(self, train: Events) -> None: ...

    def recommend(self, cases: list[Case], n: int) -> Ints: ...
