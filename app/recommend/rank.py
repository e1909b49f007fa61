"""The second stage: what was found, in the order of a ranker."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from app.db.finding import Found
from app.learn.features import N_NEAR, N_NEAR_TEXT, Listed, Nearness
from app.learn.second_stage import SecondStage

Floats = npt.NDArray[np.float32]


def rank(
    stage: SecondStage, found: Sequence[Found], recent_ids: Sequence[int], n_watched: int, now: datetime
) -> tuple[list[Found], list[float], Floats]:  # fmt: skip
    """One list, best first, what each is worth, and the features (n, n_features) in that order.

    What is n-th best is worth what the n-th best of retrieval was: variety and freshness are weighed against scores on that scale.
    """
    scores, features = stage.rank(listed(found, recent_ids, n_watched, now))
    order = np.argsort(-scores, kind="stable")
    worth = sorted((one.own_score for one in found), reverse=True)
    return [found[place] for place in order.tolist()], worth, features[order]


def listed(found: Sequence[Found], recent_ids: Sequence[int], n_watched: int, now: datetime) -> Listed:
    """What retrieval found, as features are made of it."""
    return Listed(
        item_ids=np.array([one.item_id for one in found], dtype=np.int64),
        collab=_nearness([one.collab for one in found], [one.collab_long for one in found], [one.near_collab for one in found]),
        two_tower=_nearness([one.two_tower for one in found], [one.two_tower_long for one in found], [one.near_two_tower for one in found]),
        text=_floats([one.similarity for one in found]),
        near_text=_floats([one.near_text for one in found]).reshape(len(found), N_NEAR_TEXT),
        found_by_collab=_floats([one.is_collab for one in found]),
        found_by_two_tower=_floats([one.is_two_tower for one in found]),
        found_by_text=_floats([one.is_near_whole for one in found]),
        times_shown=_floats([one.times_shown for one in found]),
        recent=np.array(recent_ids, dtype=np.int64),
        n_watched=n_watched,
        at=now.timestamp(),
    )


def _nearness(taste: Sequence[float | None], long_term: Sequence[float | None], recent: Sequence[list[float | None]]) -> Nearness:
    return Nearness(_floats(taste), _floats(long_term), _floats(recent).reshape(len(taste), N_NEAR))


def _floats(values: Sequence[Any]) -> Floats:
    """NaN for None."""
    return np.array(values, dtype=np.float32)
