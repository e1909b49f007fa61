"""Streamystats' weights, as it computes them today (its pull request 435, read in its source), for those who want the same.

    film    -0.3 where completion < 0.10, else completion * e^(-0.0035 days)
    series  -0.3 where completion < 0.15, else min(episodes / 5, 1) * max(completion, 1) * e^(-0.0035 days)

Completion is played time over running time, not capped; unknown counts as nothing watched. Ratings, favourites and the
watch-list say nothing, and three titles are needed. Its boost of new titles is a setting of the server (`freshness`);
its floor under the similarity is not taken over: a list is full while anything eligible is left.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from app.taste.history import DAY, Floats, History
from app.taste.weights import BOUNCE_DUE_DAYS


@dataclass(frozen=True)
class StreamystatsWeights:
    film_bounce: Annotated[float, Ge(0), Le(1)] = 0.10
    series_bounce: Annotated[float, Ge(0), Le(1)] = 0.15
    bounce_weight: Annotated[float, Ge(-1), Le(0)] = -0.3
    decay_per_day: Annotated[float, Ge(0), Le(1)] = 0.0035
    full_episodes: Annotated[float, Ge(1), Le(1000)] = 5.0
    min_titles: Annotated[float, Ge(0), Le(100)] = 3.0

    def weigh(self, history: History, now: float) -> tuple[Floats, float | None]:
        """(weights, when they will change by themselves): a bounce keeps its weight while everything else fades at one rate."""
        is_played = history.is_seen & (history.n_plays > 0)
        if is_played.sum() < self.min_titles:
            return np.zeros(len(history.item_ids)), None
        completion = np.nan_to_num(history.played_ratio)
        fade = np.exp(-self.decay_per_day * np.nan_to_num(history.age_days(now)))
        depth = np.minimum(history.n_episodes / self.full_episodes, 1)
        film = np.where(completion < self.film_bounce, self.bounce_weight, completion * fade)
        series = np.where(completion < self.series_bounce, self.bounce_weight, depth * np.maximum(completion, 1) * fade)
        weights = np.where(is_played, np.where(history.is_series, series, film), 0.0)
        return weights, now + BOUNCE_DUE_DAYS * DAY if (weights < 0).any() else None
