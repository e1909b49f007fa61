"""Moments of the past at which somebody chose what to watch: what a ranker learns from. The candidate lists for them are made
with models that saw only what was watched before."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.learn.events import Ints
from jobs.watched import Watched

Mask = npt.NDArray[np.bool_]

# Of one person, no more of the latest than this, and no more than a third; where times are known, of the last part of all that was watched
# (EXPERIMENTS, the second stage).
N_MOMENTS, N_MOMENTS_IN_TIME, SHARE_OF_TIME = 6, 36, 0.15
# Somebody who watched less than this before says too little.
MIN_BEFORE = 3


@dataclass(frozen=True)
class Moments:
    """`chosen`: rows of the events that were to be found, the oldest moment first. `is_before` (n_events,): what may be learned from."""

    chosen: Ints
    is_before: Mask


def moments_of(watched: Watched, seed: int = 0) -> Moments:
    """The latest of everybody. By the clock where most of what was watched has a time, else by each one's own order."""
    events, at, counts = watched.events, watched.begun_at, watched.events.weights > 0
    sizes = np.bincount(events.users, minlength=events.n_users)[events.users]
    firsts = np.searchsorted(events.users, events.users)
    n_left = firsts + sizes - np.arange(len(events)) - 1
    n_before: Ints = np.cumsum(counts) - counts
    n_before -= n_before[firsts]
    timed = at[counts & ~np.isnan(at)]
    if len(timed) > counts.sum() / 2:
        is_late, when = at > np.quantile(timed, 1 - SHARE_OF_TIME), at
        is_chosen = is_late & (n_left < N_MOMENTS_IN_TIME)
    else:
        has_order = np.ones(len(events), dtype=np.bool_) if events.has_order is None else events.has_order
        is_late, when = (n_left < np.minimum(N_MOMENTS, sizes // 3)) & has_order, -n_left.astype(np.float64)
        is_chosen = is_late
    able = np.flatnonzero(is_chosen & watched.is_wanted & (n_before >= MIN_BEFORE))
    shuffled = np.random.default_rng(seed).permutation(able)
    return Moments(shuffled[np.argsort(when[shuffled], kind="stable")], ~is_late)
