"""What was watched, as arrays: what models learn from and are asked with."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

# What the k-th newest event of a history weighs (k^-ORDER_DECAY), and what a rating says beside having been watched: USUAL_RATING counts
# as one whole watching, each point above it adds RATING_SLOPE and each below takes it away. For learning, asking and evaluating alike
# (EXPERIMENTS, learned from behaviour).
ORDER_DECAY = 0.9
USUAL_RATING, RATING_SLOPE = 7.0, 0.05
# Less watched than this between them, there is nothing to learn what follows what from.
MIN_USERS, MIN_ITEMS = 2, 20
# A server on which so many titles were watched, counted for each person, doesn't wait for its first night.
ENOUGH_AT_ONCE = 500

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """One row per (user, item), sorted by user and within a user oldest first. Positions count from 0.

    `users`, `items` and `ratings` have shape (n,); ratings are 0..10, NaN where none was given; `weights` (n,) say how much of
    an event each was: 1 watched, 0 not at all. `has_order` (n,) says of which it is known when they were, among their user's; the others
    stand first. None: of all.
    """

    users: Ints
    items: Ints
    ratings: Floats
    weights: Floats
    n_users: int
    n_items: int
    has_order: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.users)

    def of_users(self, chosen: npt.NDArray[np.bool_]) -> "Events":
        """Those of the users for whom `chosen` (n_users,) is true, under the same positions."""
        return self.rows(chosen[self.users])

    def rows(self, chosen: npt.NDArray[np.bool_] | Ints) -> "Events":
        """Those that `chosen` says, by mask or by index, under the same positions."""
        has_order = None if self.has_order is None else self.has_order[chosen]
        return Events(
            self.users[chosen], self.items[chosen], self.ratings[chosen], self.weights[chosen], self.n_users, self.n_items, has_order
        )

    def counting(self, chosen: npt.NDArray[np.bool_]) -> "Events":
        """All of them, of which only those for which `chosen` (n,) is true count."""
        return replace(self, weights=np.where(chosen, self.weights, 0).astype(np.float32))


@dataclass(frozen=True)
class Case:
    """Somebody to recommend to: `history` and `ratings` (n,), oldest first, after the `n_unordered` of which it is not known when they were
    watched; `relevant`: the held-out items to be found. `weights` (n,): how much of an event each was, where not as its rating says."""

    user: int
    history: Ints
    ratings: Floats
    relevant: Ints
    n_unordered: int = 0
    weights: Floats | None = None


def recency(n: int, n_unordered: int, order_decay: float) -> npt.NDArray[np.float64]:
    """k^-order_decay for the k-th newest, oldest first, shape (n,); each of the first `n_unordered` could be any of them: their mean."""
    weights = np.arange(n, 0, -1.0) ** -order_decay
    if n_unordered:
        weights[:n_unordered] = weights[:n_unordered].mean()
    return weights


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
