"""Histories cut into stretches, so that many moments of one history are learned from at once: the tastes at all of them are one product."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.learn.events import Events, Floats, Ints


@dataclass(frozen=True)
class Stretches:
    """Each the last `n_before + n_moments` events of somebody up to some moment, oldest first; shape (n, n_before + n_moments).

    What was watched at the last `n_moments` places is to be predicted from all before it. `weights` are 0 where there is nothing.
    """

    items: Ints
    weights: Floats
    n_before: int

    @property
    def wanted(self) -> Ints:
        """(n, n_moments): the items to be predicted."""
        return self.items[:, self.n_before :]

    @property
    def counts(self) -> Floats:
        """(n, n_moments): how much each counts; 0 where nothing was watched before it."""
        before = np.cumsum(self.weights, axis=1) - self.weights
        return np.where(before > 0, self.weights, 0)[:, self.n_before :].astype(np.float32)


def batches(
    counted: Events, generator: np.random.Generator, *, n_before: int, n_moments: int, n_stretches: int, size: int
) -> Iterator[Stretches]:
    """`size` stretches at a time, in random order: of each history those that cover it, or `n_stretches` that end anywhere in it where that
    takes more. All `counted` events weigh above 0.

    Of which it is not known when they were watched stand before the others in an order of chance: each could be any of them.
    """
    order = _shuffled(counted, generator)
    items, weights = counted.items[order], counted.weights[order]
    n_of_user = np.bincount(counted.users, minlength=counted.n_users)
    first = np.cumsum(n_of_user) - n_of_user
    users, ends = _ends(n_of_user, n_moments, n_stretches, generator)
    mixed = generator.permutation(len(users))
    steps = np.arange(-n_before - n_moments, 0)
    for start in range(0, len(mixed), size):
        chosen = mixed[start : start + size]
        place = ends[chosen, None] + steps
        rows = first[users[chosen], None] + np.maximum(place, 0)
        yield Stretches(items[rows], np.where(place >= 0, weights[rows], 0).astype(np.float32), n_before)


def n_batches(counted: Events, *, n_moments: int, n_stretches: int, size: int) -> int:
    n_of_user = np.bincount(counted.users, minlength=counted.n_users)
    return -(-int(_needed(n_of_user, n_moments, n_stretches).sum()) // size)


def _shuffled(counted: Events, generator: np.random.Generator) -> Ints:
    if counted.has_order is None:
        return np.arange(len(counted))
    place = np.where(counted.has_order, np.arange(len(counted)) + 1.0, generator.random(len(counted)))
    return np.lexsort((place, counted.users)).astype(np.int64)


def _ends(n_of_user: Ints, n_moments: int, n_stretches: int, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """Users, and how many of their events lie before the end of each stretch."""
    n_needed = _needed(n_of_user, n_moments, n_stretches)
    users = np.repeat(np.arange(len(n_of_user)), n_needed)
    number = np.arange(len(users)) - np.repeat(np.cumsum(n_needed) - n_needed, n_needed)
    is_covered = n_of_user - 1 <= n_stretches * n_moments
    anywhere = generator.integers(np.minimum(n_moments + 1, n_of_user[users]), n_of_user[users] + 1)
    return users, np.where(is_covered[users], n_of_user[users] - number * n_moments, anywhere)


def _needed(n_of_user: Ints, n_moments: int, n_stretches: int) -> Ints:
    """The first event of a history follows nothing."""
    return np.clip(-(-(n_of_user - 1) // n_moments), 0, n_stretches)
