"""What everybody of a server watched, from engagement to events."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.learn.events import USUAL_RATING, Events
from app.taste.history import History, before_all
from app.taste.recipes import WATCHING_WEIGHTS

Times = npt.NDArray[np.float64]
Grades = npt.NDArray[np.int8]

# What was watched to the half, or gone on with after its first episode, was worth finding.
MIN_WANTED, MIN_EPISODES_WANTED = 0.5, 2


@dataclass(frozen=True)
class Watched:
    """`events` in each user's order; our ids of the items by their position; when each event was begun, in seconds since 1970, NaN where
    unknown, and whether it was watched so far that it was worth finding; shape (n,). `history`: the same rows as they were read."""

    events: Events
    item_ids: npt.NDArray[np.int64]
    begun_at: Times
    is_wanted: npt.NDArray[np.bool_]
    history: History

    @property
    def grades(self) -> Grades:
        """What finding each would have been worth, shape (n,): 2, where it was rated no better than usual 1, where it was broken off 0."""
        return self.is_wanted.astype(np.int8) + (self.is_wanted & ~(self.history.rating <= USUAL_RATING))


def watched_in(rows: npt.NDArray[Any], more_item_ids: npt.NDArray[np.int64] | None = None, *, as_of: float = np.inf) -> Watched:
    """From what `app.db.events.read_engagement` reads. `more_item_ids`: items that are to have a position too.

    `as_of`, in seconds since 1970: what was begun before it has its place among the others by what was known then. Events that were
    begun later stand behind.
    """
    history = History.from_rows(rows)
    at, in_order = WATCHING_WEIGHTS.moments(history)
    begun_at = history.first_at
    at = np.where((begun_at <= as_of) & (at > as_of), begun_at, at)
    # What has no time and no order came before what has.
    oldest_first = np.lexsort((rows["item_id"], before_all(in_order), before_all(at), rows["user_id"]))
    rows, history, begun_at = rows[oldest_first], History.from_rows(rows[oldest_first]), begun_at[oldest_first]
    user_ids, users = np.unique(rows["user_id"], return_inverse=True)
    item_ids = np.unique(np.concatenate([rows["item_id"], rows["item_id"][:0] if more_item_ids is None else more_item_ids]))
    # As of the moment of watching: nothing is too fresh to count.
    interest = WATCHING_WEIGHTS.interest(history, np.full(len(rows), np.inf))
    weights = np.where(history.is_seen, interest, 0.0).astype(np.float32)
    items = np.searchsorted(item_ids, rows["item_id"])
    has_order = ~(np.isnan(at) & np.isnan(in_order))[oldest_first]
    events = Events(
        users.astype(np.int64), items.astype(np.int64), history.rating.astype(np.float32), weights, len(user_ids), len(item_ids),
        None if has_order.all() else has_order,
    )  # fmt: skip
    is_wanted = (weights >= MIN_WANTED) | ((weights > 0) & history.is_series & (history.n_episodes >= MIN_EPISODES_WANTED))
    return Watched(events, item_ids, begun_at, is_wanted, history)
