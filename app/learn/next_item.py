"""Item vectors learned from what people watched after what: closed-form, and searched by one inner product.

At every moment of every history, h is what was watched before it (the k-th newest item weighs k^-order_decay) and y what comes next
((f+1)^-next_decay for the f-th). B = (H'H + ridge I)^-1 H'Y predicts y (EXPERIMENTS, before the first version). An item-to-item ridge
(EASE, Steck 2019) of the same events is added to B at `item_share` of its spread; the sum is better than each. Where it is not known when
things were watched only that one is left, and in between its share is that much larger. Of the sum the r directions that carry most of its
predictions are kept (reduced-rank regression, Izenman 1975), with targets scaled by popularity^-popularity_exponent before and back after.

taste = sum of weight * history vector; score(j) = taste . target(j). Targets are whitened, so that over all items the scores of a taste of
unit length have a root mean square of 1.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.linalg

from app.learn.events import ORDER_DECAY, Events
from app.learn.ranking import valued
from app.learn.ridge import blocks, cholesky, without_diagonal
from app.learn.whitening import whitened
from app.types import Progress, unseen

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

# Arrays of n_items x n_items float64 that are held at once, and what else takes room beside them.
N_SQUARES = 3.4
# Pairs that are added up at once.
CHUNK = 4_000_000
# Of the randomised range finder (Halko, Martinsson and Tropp 2011).
OVERSAMPLING, N_ITERATIONS, SEED = 64, 6, 0


@dataclass(frozen=True)
class Parameters:
    """Chosen in EXPERIMENTS, collab."""

    order_decay: float = ORDER_DECAY
    n_before: int = 50
    n_next: int = 7
    next_decay: float = 0.85
    ridge: float = 200.0
    item_ridge: float = 500.0
    item_share: float = 0.6
    popularity_exponent: float = 0.3
    rank: int = 512


@dataclass(frozen=True)
class ItemVectors:
    """`history` and `target` of shape (n_items, r); zeros for an item without events. `n_events` (n_items,)."""

    history: Floats
    target: Floats
    n_events: Ints


def bytes_needed(n_items: int) -> int:
    """What `learn` takes at its highest, for so many items with events."""
    return math.ceil(N_SQUARES * 8 * n_items**2)


def learn(events: Events, parameters: Parameters, progress: Progress = unseen) -> ItemVectors:
    """Deterministic. Items without events are no part of the solve."""
    n_events = np.bincount(events.items[events.weights > 0], minlength=events.n_items)
    warm, counted = compacted(events)
    rank = min(parameters.rank, len(warm))
    history, target = np.zeros((events.n_items, rank), np.float32), np.zeros((events.n_items, rank), np.float32)
    if rank:
        factor, spread = predicted_spread(counted, parameters, progress)
        exponent = parameters.popularity_exponent * share_in_order(counted)
        history[warm], target[warm] = reduced(factor, spread, n_events[warm], exponent, rank)
    progress(4, 4)
    return ItemVectors(history, target, n_events)


def compacted(events: Events) -> tuple[Ints, Events]:
    """The items that have events that count, and those events at positions among these items alone."""
    kept = events.rows(events.weights > 0)
    warm, items = np.unique(kept.items, return_inverse=True)
    return warm, replace(kept, items=items.astype(np.int64), n_items=len(warm))


def share_in_order(counted: Events) -> float:
    return 1.0 if counted.has_order is None else float(counted.has_order.mean())


def predicted_spread(counted: Events, parameters: Parameters, progress: Progress = unseen) -> tuple[Doubles, Doubles]:
    """(L, L'B) of `compacted` events: the Cholesky factor of H'H + ridge I, lower, and what the summed predictor B spreads over the
    histories, whose second moment is L L'; both of shape (n_items, n_items). B itself is never made.

    Where nothing is known to follow anything, a history is all that somebody watched.
    """
    progress(0, 4)
    in_order = counted if counted.has_order is None else counted.rows(counted.has_order)
    gram, cross = moments(in_order, parameters)
    # Of everybody one event at most has an order.
    follows_nothing = not cross.any()
    if follows_nothing:
        gram = watched_together(counted)
    progress(1, 4)
    gram[np.diag_indices(counted.n_items)] += parameters.ridge
    factor = cholesky(gram)
    if follows_nothing:
        return factor, _times(factor, item_to_item(counted, parameters.item_ridge))
    # L'B = L^-1 H'Y.
    spread = scipy.linalg.solve_triangular(factor, cross, lower=True, overwrite_b=True, check_finite=False)
    progress(2, 4)
    if parameters.item_share:
        between = _times(factor, item_to_item(counted, parameters.item_ridge))
        share = parameters.item_share / share_in_order(counted)
        between *= share * np.linalg.norm(spread) / max(float(np.linalg.norm(between)), 1e-12)
        spread += between
    progress(3, 4)
    return factor, spread


def predictor(counted: Events, parameters: Parameters) -> Doubles:
    """B, whole, of shape (n_items, n_items)."""
    factor, spread = predicted_spread(counted, parameters)
    return _through(factor, spread)


def reduced(factor: Doubles, spread: Doubles, n_events: Ints, popularity_exponent: float, rank: int) -> tuple[Floats, Floats]:
    """History and whitened target vectors, of shape (n_items, rank). `spread` is written over."""
    from sklearn.utils.extmath import randomized_svd

    scale = np.maximum(n_events, 1.0) ** -popularity_exponent
    spread *= scale
    _, _, directions = randomized_svd(
        spread, rank, n_oversamples=OVERSAMPLING, n_iter=N_ITERATIONS, power_iteration_normalizer="QR", random_state=SEED
    )
    history, target = _through(factor, spread @ directions.T), directions.T / scale[:, None]
    return whitened(history, target, np.ones(len(target), dtype=np.bool_))


def _times(factor: Doubles, weights: Doubles) -> Doubles:
    """L' B, in the place of B."""
    return np.asarray(scipy.linalg.blas.dtrmm(1.0, factor, weights, lower=1, trans_a=1, overwrite_b=1))


def _through(factor: Doubles, spread: Doubles) -> Doubles:
    """B of L' B."""
    return np.asarray(scipy.linalg.solve_triangular(factor, spread, lower=True, trans="T", check_finite=False))


def moments(counted: Events, parameters: Parameters) -> tuple[Doubles, Doubles]:
    """(H'H, H'Y), summed by how far apart two events of a history are: no row of H is ever made. In column order, as LAPACK wants them."""
    items, users, weights, n_items = counted.items, counted.users, counted.weights.astype(np.float64), counted.n_items
    kernel = np.arange(1.0, parameters.n_before + 1) ** -parameters.order_decay
    ahead = np.arange(1.0, parameters.n_next + 1) ** -parameters.next_decay
    gram, cross = np.zeros(n_items * n_items), np.zeros(n_items * n_items)
    n_left = np.searchsorted(users, users, side="right") - np.arange(len(users)) - 1
    for gap in range(len(kernel) + len(ahead)):
        for older in _chunks(np.flatnonzero(n_left >= gap)):
            newer = older + gap
            pair, weight = items[newer] * n_items + items[older], weights[older] * weights[newer]
            if gap < len(kernel):
                # Both are in the history of each of the n_left moments that follow, as long as the older one reaches.
                reach = np.concatenate([[0.0], np.cumsum(kernel[: len(kernel) - gap] * kernel[gap:])])
                # An event meets itself once, where two are added with what they are transposed.
                reach *= 0.5 if gap == 0 else 1.0
                np.add.at(gram, pair, reach[np.minimum(n_left[newer], len(kernel) - gap)] * weight)
            if gap > 0:
                back = np.arange(max(1, gap - len(ahead) + 1), min(gap, len(kernel)) + 1)
                np.add.at(cross, pair, (kernel[back - 1] * ahead[gap - back]).sum() * weight)
    square = gram.reshape(n_items, n_items)
    for rows in blocks(n_items):
        # Above the diagonal only what lies right of these rows is still to be added.
        both = square[rows, rows.start :] + square[rows.start :, rows].T
        square[rows, rows.start :] = both
        square[rows.start :, rows] = both.T
    return square.T, cross.reshape(n_items, n_items).T


def item_to_item(counted: Events, ridge: float) -> Doubles:
    """EASE (Steck 2019): each item from all others, closed form, a zero diagonal."""
    return without_diagonal(watched_together(counted), ridge)


def watched_together(counted: Events) -> Doubles:
    """X'X of what everybody watched, in column order."""
    matrix = valued(counted, counted.weights).astype(np.float64)
    transposed, gram = matrix.T.tocsr(), np.empty((counted.n_items, counted.n_items), order="F")
    for columns in blocks(counted.n_items):
        # Sparse by sparse: with a dense block of the matrix, memory would grow with the number of users.
        gram[:, columns] = (transposed[columns] @ matrix).toarray().T
    return gram


def _chunks(positions: Ints) -> Iterator[Ints]:
    for start in range(0, len(positions), CHUNK):
        yield positions[start : start + CHUNK]


def largest_solve(memory_bytes: int) -> int:
    """How many items fit into so much memory."""
    return int((memory_bytes / (8 * N_SQUARES)) ** 0.5)
