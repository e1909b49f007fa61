"""From engagement to a weight in a space learned from what people watched after what: how much of an event each item was.

weight = interest * recency. There whatever was chosen and watched speaks for what comes next, a bad rating only a little less than a good
one (EXPERIMENTS, collab): weights are not negative. A bounce is no event; neither is what was refused.

A series is one event, at the place where it was begun, however many episodes followed (EXPERIMENTS, films and series); it ages from when
it was last watched.

The same interest says how much an event counts where item vectors are learned.
"""

from dataclasses import dataclass

import numpy as np

from app.learn.events import ORDER_DECAY, RATING_SLOPE, USUAL_RATING
from app.taste.history import Floats, History
from app.taste.weights import PalateWeights


@dataclass(frozen=True)
class WatchingWeights(PalateWeights):
    """What differs from PalateWeights; each default's measurement is in EXPERIMENTS, collab."""

    order_decay: float = ORDER_DECAY
    usual_rating: float = USUAL_RATING
    """A rating of so much counts as one whole watching."""
    rating_slope: float = RATING_SLOPE
    """What each point above it adds, and below it takes away."""
    favourite_bonus: float = 0.25
    like_bonus: float = 0.25

    def interest(self, history: History, age_days: Floats) -> Floats:
        rated = 1 + self.rating_slope * (history.rating - self.usual_rating)
        watched = np.where(history.is_seen, np.maximum(self._watched(history, age_days), 0.0), 0.0)
        value = np.where(np.isnan(history.rating), watched, rated)
        value = value + self.favourite_bonus * history.is_favourite + self.like_bonus * (history.liking > 0)
        value = np.where(history.is_watchlisted & ~history.is_seen, value + self.watchlist_interest, value)
        refused = (history.liking < 0) | history.is_hidden
        return np.asarray(np.where(refused, 0.0, np.maximum(value, 0.0)))

    def moments(self, history: History) -> tuple[Floats, Floats]:
        at, order = super().moments(history)
        begun_at = np.where(history.is_series & ~np.isnan(history.first_at), history.first_at, at)
        return begun_at, np.where(history.is_series & ~np.isnan(history.first_order), history.first_order, order)
