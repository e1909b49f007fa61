"""From engagement to a signed weight: how much an item says about what its user likes.

weight = interest * recency, over arrays of one user's engagement. Positive draws the taste towards the item, negative
pushes it away, 0 says nothing. Streamystats' formulas stand beside, in `streamystats`; a server chooses.

Interest, from the strongest evidence there is: a rating counts as (rating - neutral_rating) / (10 - neutral_rating),
not below worst_rating; else how much was watched, where a short look long ago is a bounce and a fresh one is only
in progress; unknown completion is neutral. A series weighs by its distinct episodes (full at full_episodes) times how much
of each was watched. Favourites, likes and the watch-list add; a dislike or a hidden item is negative whatever else is known.

Recency = k^-order_decay for the k-th newest item, on average where nobody knows when it was watched, times
2^(-age / half_life_days) where the time is known.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le

from app.learn.events import recency
from app.taste.history import DAY, Flags, Floats, History, before_all

# A bounce fades at another rate than everything else: what it weighs beside the rest is computed anew after so long.
BOUNCE_DUE_DAYS = 7.0

Share = Annotated[float, Ge(0), Le(1)]
Days = Annotated[float, Ge(0.1), Le(36_500)]
Bonus = Annotated[float, Ge(0), Le(10)]


@dataclass(frozen=True)
class PalateWeights:
    """What a server may change; each default's measurement, where there is one, is in EXPERIMENTS, text tastes."""

    neutral_rating: Annotated[float, Ge(0), Le(9)] = 5.0
    """A rating above it draws, one below does not."""
    worst_rating: Annotated[float, Ge(-1), Le(0)] = -0.2
    """The least that a rating weighs: people rate what they chose to watch, and text is near to it (EXPERIMENTS, bad ratings)."""
    most_negative: Annotated[float, Ge(-1), Le(0)] = -0.5
    """What a dislike or a hidden item weighs, whatever else is known of it."""
    bounce_completion: Share = 0.10
    """Broken off before this part of it: a bounce."""
    bounce_weight: Annotated[float, Ge(-1), Le(0)] = -0.3
    bounce_half_life_days: Days = 90.0
    grace_days: Annotated[float, Ge(0), Le(365)] = 7.0
    """A short look younger than this is in progress, not disliked."""
    unknown_completion: Share = 0.6
    """What a play counts as where nobody knows how long it was."""
    full_episodes: Annotated[float, Ge(1), Le(1000)] = 5.0
    rewatch_bonus: Bonus = 0.1
    max_rewatch_bonus: Bonus = 0.3
    favourite_bonus: Bonus = 0.5
    like_bonus: Bonus = 0.5
    watchlist_interest: Bonus = 0.3
    order_decay: Annotated[float, Ge(0), Le(3)] = 0.5
    half_life_days: Days = 365.0

    def weigh(self, history: History, now: float) -> tuple[Floats, float | None]:
        """(weights, when they will change by themselves), both times in seconds since 1970."""
        if len(history.item_ids) == 0:
            return np.zeros(0), None
        age_days = history.age_days(now)
        is_short = self.is_short(history)
        in_grace = is_short & (age_days < self.grace_days)
        weights = self.interest(history, age_days) * self.recency(history, age_days)
        due = [float(np.min(history.last_at[in_grace]) + self.grace_days * DAY)] if in_grace.any() else []
        if (is_short & ~in_grace).any():
            due.append(now + BOUNCE_DUE_DAYS * DAY)
        return weights, min(due, default=None)

    def interest(self, history: History, age_days: Floats) -> Floats:
        rated = np.maximum((history.rating - self.neutral_rating) / (10 - self.neutral_rating), self.worst_rating)
        watched = np.where(history.is_seen, self._watched(history, age_days), 0.0)
        value = np.where(np.isnan(history.rating), watched, rated)
        value = value + self.favourite_bonus * history.is_favourite + self.like_bonus * (history.liking > 0)
        value = np.where(history.is_watchlisted & ~history.is_seen, value + self.watchlist_interest, value)
        refused = (history.liking < 0) | history.is_hidden
        return np.asarray(np.where(refused, np.minimum(value, self.most_negative), value))

    def is_short(self, history: History) -> Flags:
        """A look that was broken off, by what is known: nothing else speaks for or against the item."""
        known = ~np.isnan(history.completion)
        whole = np.where(history.is_series, np.minimum(history.n_episodes, 1), 1.0)
        short = history.completion * whole < self.bounce_completion
        return known & short & (history.n_episodes <= 1) & history.is_seen & np.isnan(history.rating)

    def _watched(self, history: History, age_days: Floats) -> Floats:
        completion = np.where(np.isnan(history.completion), self.unknown_completion, np.clip(history.completion, 0, 1))
        is_deep = history.is_series & (history.n_episodes > 0)
        depth = np.where(is_deep, np.minimum(history.n_episodes / self.full_episodes, 1), 1.0)
        again = np.minimum(self.rewatch_bonus * np.maximum(history.n_plays - 1, 0), self.max_rewatch_bonus)
        value = completion * depth + np.where(history.is_series, 0.0, again) * (completion > 0.5)
        fade = np.where(np.isnan(age_days), 1.0, np.exp2(-np.nan_to_num(age_days) / self.bounce_half_life_days))
        bounced = self.is_short(history) & ~(age_days < self.grace_days)
        return np.where(bounced, self.bounce_weight * fade, value)

    def recency(self, history: History, age_days: Floats) -> Floats:
        """k is counted over what was watched, newest first: by time, then by order; what has neither came before, nobody knows in which
        order, and shares what is left evenly."""
        at, order = self.moments(history)
        newest_first = self.newest_first(history)
        n_unordered = int((np.isnan(at) & np.isnan(order)).sum())
        placed = np.empty(len(newest_first))
        placed[newest_first[::-1]] = recency(len(newest_first), n_unordered, self.order_decay)
        # What has no time is taken to be as old as the oldest that has one, as it is counted after it.
        oldest = np.nanmax(age_days) if np.isfinite(age_days).any() else 0.0
        aged = np.exp2(-np.where(np.isnan(age_days), oldest, age_days) / self.half_life_days)
        return np.asarray(placed * aged)

    def newest_first(self, history: History) -> npt.NDArray[np.int64]:
        """Positions in the history."""
        at, order = self.moments(history)
        return np.lexsort((-history.item_ids, -before_all(order), -before_all(at)))

    def moments(self, history: History) -> tuple[Floats, Floats]:
        """(time, order) of each item among the others, NaN where unknown."""
        return history.last_at, history.last_order
