"""From scores to lists: what is seen is masked, and ties have one order on every machine."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from app.learn.events import Case, Events, Floats, Ints

# Scores of so many cases stand in memory at once: 8 MB of float32 for 4,000 items.
BATCH = 512
_MASKED = np.uint64(0xFF800000)


def ranked(score: Callable[[list[Case]], Floats], otherwise: Floats, cases: list[Case], n: int) -> Ints:
    """The first `n` items of each case by `score`, which answers (n_cases, n_items); shape (n_cases, n), -1 where there are no more.

    A case of which nothing is known, whose scores are all 0, is ranked by `otherwise` (n_items,).
    """
    found = np.full((len(cases), n), -1, dtype=np.int64)
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        scores = np.array(score(batch), dtype=np.float32)
        scores[~scores.any(axis=1)] = otherwise
        rows, items = _seen(batch)
        scores[rows, items] = -np.inf
        best = first(scores, n)
        found[start : start + len(batch), : best.shape[1]] = best
    return found


def first(scores: Floats, n: int) -> Ints:
    """Positions of the `n` largest of each row, or of all there are; of equal scores the smaller position; -1 for -inf."""
    # One integer holds score and position, so that a partition breaks ties as a full sort would. `+ 0` makes -0 equal 0.
    bits = np.ascontiguousarray(scores + np.float32(0)).view(np.uint32)
    falling = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF)).astype(np.uint64)
    keys = (falling << np.uint64(32)) | np.arange(scores.shape[1], dtype=np.uint64)
    if n < keys.shape[1]:
        keys = np.partition(keys, n - 1, axis=1)[:, :n]
    keys = np.sort(keys, axis=1)
    return np.where(keys >> np.uint64(32) == _MASKED, -1, (keys & np.uint64(0xFFFFFFFF)).astype(np.int64))


def histories(cases: list[Case], n_items: int, weigh: Callable[[Case], Floats]) -> csr_matrix:
    """Weights of the histories, shape (n_cases, n_items), float32."""
    rows, items = _seen(cases)
    weights = np.concatenate([weigh(case) for case in cases]).astype(np.float32)
    return csr_matrix((weights, (rows, items)), shape=(len(cases), n_items))


def watched(train: Events) -> csr_matrix:
    """1 where somebody watched something, shape (n_users, n_items), float32."""
    return valued(train, np.ones(len(train), dtype=np.float32))


def valued(train: Events, values: Floats) -> csr_matrix:
    """`values` (n,) where somebody watched something, shape (n_users, n_items), float32."""
    kept = train.weights > 0
    return csr_matrix((values[kept], (train.users[kept], train.items[kept])), shape=(train.n_users, train.n_items))


def popularity_of(train: Events) -> Floats:
    """How many watched each item, shape (n_items,)."""
    return np.bincount(train.items[train.weights > 0], minlength=train.n_items).astype(np.float32)


def _seen(cases: list[Case]) -> tuple[Ints, Ints]:
    """Row and item of everything in the histories."""
    rows: npt.NDArray[np.int64] = np.repeat(np.arange(len(cases)), [len(case.history) for case in cases])
    return rows, np.concatenate([case.history for case in cases]).astype(np.int64)
