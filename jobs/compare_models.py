"""Two models of a server on the same moments, the latest there are: what promotion goes by."""

from datetime import datetime
from typing import Any

from app.db import Engine, models
from app.errors import NothingToLearn
from app.learn.metrics import Figures, ndcg_of_one
from app.types import Progress, Server, unseen
from jobs.past import read_past
from jobs.train_ranker import Held, compared, judged_moments, read_ranker_of

# Fewer cases than this say nothing.
MIN_CASES = 20


def compare(engine: Engine, server: Server, first: int, second: int | None, now: datetime, progress: Progress) -> dict[str, Any]:
    """NDCG@10 of the first minus the second's (None: fused scores), which is stored with the first.

    Raises UnknownModel, ModelDamaged, NothingToLearn, and FeaturesDiffer where a model is of another version.
    """
    with engine.begin() as connection:
        asked = [None if model_id is None else models.get_model(connection, server.id, model_id) for model_id in (first, second)]
    rankers = [None if model is None else read_ranker_of(engine, model) for model in asked]
    progress(0, 2)
    judged = judged_moments(read_past(engine, server, now, unseen))
    progress(1, 2)
    if len(judged.places) < MIN_CASES:
        raise NothingToLearn(f"There are {len(judged.places)} moments to compare models on; it takes {MIN_CASES}.")
    ours, others = (ndcg_of_one(judged.ranks(ranker)) for ranker in rankers)
    found = compared(ours, others)
    with engine.begin() as connection:
        models.write_comparison(connection, server.id, first, second, found)
    progress(2, 2)
    return found | {"first": _named(first, ours, judged), "second": _named(second, others, judged)}


def _named(model_id: int | None, found: Figures, judged: Held) -> dict[str, Any]:
    return {"id": model_id, "ndcg@10": float(found.mean()), "n_cases": len(judged.places)}
