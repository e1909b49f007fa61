"""How often one title was watched soon after another: counts of pairs within some steps of a history, sparse, in memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.learn.events import Events, Floats, Ints

# Steps within which a title counts as having followed (EXPERIMENTS, the second stage).
WINDOWS = (1, 3, 10)
# Pairs that are kept, at 10 bytes each: the most frequent. Of MovieLens 1M's 2.5 million a third was met once.
MAX_PAIRS = 2_000_000


@dataclass(frozen=True)
class Transitions:
    """Of item i: the items that followed it, rising, are `next_items[starts[i]:starts[i + 1]]`; how often each did within each of
    WINDOWS is in `counts` (n_pairs, n_windows)."""

    starts: Ints
    next_items: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint16]

    def between(self, before: Ints, after: Ints) -> Floats:
        """How often each of `after` (n,) followed each of `before` (m,), -1 for an item that is not known; shape (m, n, n_windows)."""
        found = np.zeros((len(before), len(after), self.counts.shape[1]), dtype=np.float32)
        for row, item in enumerate(before.tolist()):
            if item < 0 or self.starts[item] == self.starts[item + 1]:
                continue
            mine = slice(self.starts[item], self.starts[item + 1])
            next_items = self.next_items[mine]
            place = np.minimum(np.searchsorted(next_items, after), len(next_items) - 1)
            found[row] = np.where((next_items[place] == after)[:, None], self.counts[mine][place], 0)
        return found


def learn_transitions(events: Events, max_pairs: int = MAX_PAIRS) -> Transitions:
    """Of events that count. What has no order follows nothing."""
    from scipy.sparse import csr_matrix

    ordered = events.rows((events.weights > 0) & (True if events.has_order is None else events.has_order))
    n, shape = len(ordered), (events.n_items, events.n_items)
    within: dict[int, Any] = {}
    total = csr_matrix(shape, dtype=np.float32)
    for gap in range(1, WINDOWS[-1] + 1):
        older = np.arange(max(n - gap, 0))
        older = older[ordered.users[older] == ordered.users[older + gap]]
        ones = np.ones(len(older), dtype=np.float32)
        total = total + csr_matrix((ones, (ordered.items[older], ordered.items[older + gap])), shape=shape)
        if gap in WINDOWS:
            within[gap] = total
    total.sort_indices()
    items = np.repeat(np.arange(events.n_items), np.diff(total.indptr))
    keys = items * events.n_items + total.indices
    counts = np.zeros((len(keys), len(WINDOWS)), dtype=np.uint16)
    for column, window in enumerate(WINDOWS):
        pairs = within[window].tocoo()
        place = np.searchsorted(keys, pairs.row.astype(np.int64) * events.n_items + pairs.col)
        counts[place, column] = np.minimum(pairs.data, np.iinfo(np.uint16).max)
    if len(keys) > max_pairs:
        kept = np.sort(np.argsort(-counts[:, -1].astype(np.int64), kind="stable")[:max_pairs])
        items, keys, counts = items[kept], keys[kept], counts[kept]
    starts = np.searchsorted(items, np.arange(events.n_items + 1))
    return Transitions(starts.astype(np.int64), (keys % events.n_items).astype(np.int32), counts)
