"""From engagement to a signed weight: how much an item says about what its user likes.

weight = interest * recency, over arrays of one user's engagement. Positive draws the taste towards the item, negative
pushes it away, 0 says nothing.

Interest, from the strongest evidence there is: a rating counts as (rating - NEUTRAL_RATING) / (10 - NEUTRAL_RATING),
not below MOST_NEGATIVE; else how much was watched, where a short look long ago is a bounce and a fresh one is only
in progress; unknown completion is neutral. A series weighs by its distinct episodes (full at FULL_EPISODES) times how much
of each was watched. Favourites, likes and the watch-list add; a dislike or a hidden item is negative whatever else is known.

Recency = k^-ORDER_DECAY for the k-th newest item, times
2^(-age / HALF_LIFE) where the time is known.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

NEUTRAL_RATING = 5.0
MOST_NEGATIVE = -0.5
BOUNCE_COMPLETION = 0.10
BOUNCE_WEIGHT = -0.3
BOUNCE_HALF_LIFE_DAYS = 90.0
GRACE_DAYS = 7.0
UNKNOWN_COMPLETION = 0.6
FULL_EPISODES = 5.0
REWATCH_BONUS = 0.1
MAX_REWATCH_BONUS = 0.3
FAVOURITE_BONUS = 0.5
LIKE_BONUS = 0.5
WATCHLIST_INTEREST = 0.3
# From 0 to 1 in steps on MovieLens, text space: EXPERIMENTS, order decay.
ORDER_DECAY = 0.5
HALF_LIFE_DAYS = 365.0

Floats = npt.NDArray[np.float64]

DAY = 86_400.0


@dataclass(frozen=True)
class History:
    """One user's engagement as equally long arrays; NaN where a value is unknown. `last_at` in seconds since 1970."""

    item_ids: npt.NDArray[np.int64]
    is_series: npt.NDArray[np.bool_]
    n_plays: Floats
    n_episodes: Floats
    completion: Floats
    rating: Floats
    last_at: Floats
    last_order: Floats
    is_favourite: npt.NDArray[np.bool_]
    liking: Floats  # 1 liked, -1 disliked, 0 neither
    is_watchlisted: npt.NDArray[np.bool_]
    is_hidden: npt.NDArray[np.bool_]
    is_seen: npt.NDArray[np.bool_]

    @classmethod
    def from_rows(cls, rows: npt.NDArray[Any]) -> "History":
        """From the structured array that `app.db.tastes` reads."""
        flags = {"is_series", "is_favourite", "is_watchlisted", "is_hidden", "is_seen"}
        columns: dict[str, Any] = {"item_ids": rows["item_id"]}
        for name in (field.name for field in fields(cls) if field.name != "item_ids"):
            columns[name] = rows[name] != 0 if name in flags else rows[name].astype(np.float64)
        return cls(**columns)


def weigh(history: History, now: float) -> tuple[Floats, float | None]:
    """(weights, when they will change by themselves), both times in seconds since 1970."""
    if len(history.item_ids) == 0:
        return np.zeros(0), None
    age_days = np.maximum(now - history.last_at, 0) / DAY
    in_grace = is_short(history) & (age_days < GRACE_DAYS)
    weights = interest(history, age_days) * recency(history, age_days)
    due_at = float(np.min(history.last_at[in_grace]) + GRACE_DAYS * DAY) if in_grace.any() else None
    return weights, due_at


def interest(history: History, age_days: Floats) -> Floats:
    watched = _watched(history, age_days)
    rated = np.maximum((history.rating - NEUTRAL_RATING) / (10 - NEUTRAL_RATING), MOST_NEGATIVE)
    value = np.where(np.isnan(history.rating), np.where(history.is_seen, watched, 0.0), rated)
    value = value + FAVOURITE_BONUS * history.is_favourite + LIKE_BONUS * (history.liking > 0)
    value = np.where(history.is_watchlisted & ~history.is_seen, value + WATCHLIST_INTEREST, value)
    refused = (history.liking < 0) | history.is_hidden
    return np.asarray(np.where(refused, np.minimum(value, MOST_NEGATIVE), value))


def is_short(history: History) -> npt.NDArray[np.bool_]:
    """A look that was broken off, by what is known: nothing else speaks for or against the item."""
    known = ~np.isnan(history.completion)
    short = np.where(
        history.is_series,
        history.completion * np.minimum(history.n_episodes, 1) < BOUNCE_COMPLETION,
        history.completion < BOUNCE_COMPLETION,
    )
    return known & short & (history.n_episodes <= 1) & history.is_seen & np.isnan(history.rating)


def _watched(history: History, age_days: Floats) -> Floats:
    completion = np.where(np.isnan(history.completion), UNKNOWN_COMPLETION, np.clip(history.completion, 0, 1))
    depth = np.where(history.is_series & (history.n_episodes > 0), np.minimum(history.n_episodes / FULL_EPISODES, 1), 1.0)
    rewatched = np.where(history.is_series, 0.0, np.minimum(REWATCH_BONUS * np.maximum(history.n_plays - 1, 0), MAX_REWATCH_BONUS))
    value = completion * depth + rewatched * (completion > 0.5)
    fade = np.where(np.isnan(age_days), 1.0, np.exp2(-np.nan_to_num(age_days) / BOUNCE_HALF_LIFE_DAYS))
    bounced = is_short(history) & ~(age_days < GRACE_DAYS)
    return np.where(bounced, BOUNCE_WEIGHT * fade, value)


def recency(history: History, age_days: Floats) -> Floats:
    """k is counted over what was watched, newest first: by time, then by order, then by our id."""
    newest_first = np.lexsort((-history.item_ids, -_known(history.last_order), -_known(history.last_at)))
    k = np.empty(len(newest_first))
    k[newest_first] = np.arange(1, len(newest_first) + 1)
    # What has no time is taken to be as old as the oldest that has one, as it is counted after it.
    oldest = np.nanmax(age_days) if np.isfinite(age_days).any() else 0.0
    aged = np.exp2(-np.where(np.isnan(age_days), oldest, age_days) / HALF_LIFE_DAYS)
    return np.asarray(k**-ORDER_DECAY * aged)


def _known(values: Floats) -> Floats:
    return np.where(np.isnan(values), -np.inf, values)
