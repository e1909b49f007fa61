"""skew: whether the live ranker is served features like those it was trained on."""

from datetime import datetime, timedelta

import numpy as np
import structlog

from app.db import Connection, Engine, models
from app.db.locks import only_one
from app.db.skew import FeatureSkew, served_features, write_skew
from app.learn.skew import N_SHOWN, Skew, Trained, compare, count_in, trained_from
from app.types import Server

log = structlog.get_logger()

SERVED_WITHIN = timedelta(days=7)
# Of a server, more slates tell nothing new.
MAX_SLATES = 5_000


def check_skew(engine: Engine, server: Server, now: datetime) -> list[FeatureSkew]:
    """Returns what is written: nothing where no ranker is live or its card says nothing of its features. Raises AlreadyRunning."""
    with only_one(engine, f"skew {server.id}"), engine.begin() as connection:
        ranker = models.live_model(connection, server.id)
        found = [] if ranker is None else _compared(connection, server, ranker.id, _features_of(server, ranker.id, ranker.card), now)
        write_skew(connection, server.id, found)
    flagged = [one.feature for one in found if one.is_flagged]
    if flagged:
        log.warning("features are served unlike they were trained", server=server.external_id, model=found[0].model_id, features=flagged)
    return found


def _features_of(server: Server, model_id: int, card: dict[str, object]) -> list[Trained]:
    try:
        return trained_from(card)
    except ValueError as error:
        log.error("the ranker's card can't be read", server=server.external_id, model=model_id, detail=str(error))
        return []


def _compared(connection: Connection, server: Server, model_id: int, features: list[Trained], now: datetime) -> list[FeatureSkew]:
    n_slates, counts = 0, [np.zeros(len(one.edges) + 2, dtype=np.int64) for one in features]
    if features:
        served = served_features(connection, server.id, model_id, len(features), N_SHOWN, now - SERVED_WITHIN, MAX_SLATES)
        for n_more, values in served:
            n_slates += n_more
            counts = [
                count + count_in(one.edges, values[:, place]) for place, (one, count) in enumerate(zip(features, counts, strict=True))
            ]
    return [_row(model_id, compare(one, count, n_slates), now) for one, count in zip(features, counts, strict=True)]


def _row(model_id: int, one: Skew, now: datetime) -> FeatureSkew:
    return FeatureSkew(model_id, one.name, one.n_served, one.psi, one.kl, one.verdict == "shifted", now)
