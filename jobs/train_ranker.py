"""Train the second stage of one server on moments of its past, compare it with what serves, and promote it unless it is worse.

The moments stand in the order of time: the latest judge, those before them end the training, the others are trained on.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import structlog

import app.learn
from app.db import Engine, models
from app.db.locks import only_one
from app.errors import NothingToLearn, PromotionRefused
from app.learn.dlrm import DlrmParameters, fit_dlrm
from app.learn.events import Floats, Ints
from app.learn.features import NAMES
from app.learn.metrics import Figures, difference, interval, ndcg_of_one
from app.learn.ranker import Lists, Parameters, Ranker, fit_lambdamart
from app.learn.second_stage import SecondStage, read_second_stage
from app.learn.skew import N_SHOWN, count_in
from app.recommend import promotion
from app.types import Model, Progress, Server, unseen
from jobs.lists import Offered
from jobs.past import Learning, Past, read_past
from jobs.watched import Grades

log = structlog.get_logger()

# Below so many lists to learn from there is nothing to tell a ranker from chance.
MIN_LISTS = 200
# Of the moments, those that judge and those that end the training; and no more than so many of each.
SHARE_HELD, MAX_HELD = 0.08, 2_000
# Of the candidates that were not chosen, how many are learned from beside the one that was, and of lists no more than memory has room for
# (1 GB of features).
N_OTHERS, MAX_LISTS = 60, 60_000
N_EDGES = 10
SEED = 0


@dataclass(frozen=True)
class Held:
    """Whole lists, one after the other: features (n, n_features), grades (n,), sizes (n_lists,), and in each the place of what was begun,
    -1 where it is not among them."""

    features: Floats
    grades: Grades
    sizes: Ints
    places: Ints

    @property
    def starts(self) -> Ints:
        return np.cumsum(self.sizes) - self.sizes

    def as_lists(self) -> Lists:
        """Those in which there is something to find."""
        able = np.array([grades.any() for grades in np.split(self.grades, self.starts[1:])], dtype=np.bool_)
        kept = np.repeat(able, self.sizes)
        return Lists(self.features[kept], self.grades[kept], self.sizes[able])

    def ranks(self, ranker: Ranker | None) -> Ints:
        """Of what was begun, from 0; without a ranker, as retrieval has it."""
        return self.places if ranker is None else self.ranks_by(ranker.score(self.features))

    def ranks_by(self, scores: Floats) -> Ints:
        """The same by scores (n,) of all candidates; of equal ones the first stands above."""
        found = self.places.copy()
        for number, (start, size, place) in enumerate(zip(self.starts.tolist(), self.sizes.tolist(), self.places.tolist(), strict=True)):
            if place >= 0:
                mine = scores[start : start + size]
                found[number] = int((mine > mine[place]).sum() + (mine[:place] == mine[place]).sum())
        return found


@dataclass(frozen=True)
class Trained:
    model_id: int
    metrics: dict[str, Any]
    went_live: bool


@dataclass(frozen=True)
class Live:
    """`ranker` is None where this version cannot use the model: fused scores serve then."""

    model: Model
    ranker: Ranker | None


def train_ranker(
    engine: Engine, server: Server, now: datetime, progress: Progress, *,
    ranker: Literal["lambdamart", "dlrm"] = "lambdamart", parameters: Parameters | None = None, learning: Learning | None = None,
) -> Trained:  # fmt: skip
    """`parameters`: of LambdaMART; `learning`: as in `read_past`.

    Raises NothingToLearn where too little was watched, and AlreadyRunning.
    """
    with only_one(engine, f"train-ranker {server.id}"):
        past = read_past(engine, server, now, unseen, learning)
        train, later, judged = split(past, progress)
        chosen = DlrmParameters() if ranker == "dlrm" else (parameters or Parameters()).scaled_to(len(train))
        fitted = _fitted(train, later.as_lists(), chosen, progress)
        live, scores = live_ranker(engine, server), fitted.score(judged.features)
        metrics = measured(judged, scores, live)
        stage = SecondStage(fitted, past.facts_now())
        with engine.begin() as connection:
            model_id = models.create_model(
                connection, server.id, fitted.name, stage.to_bytes(), parameters=asdict(chosen), metrics=metrics,
                data_window=_window(past, len(train)), card=card(fitted, judged, scores), code_revision=code_revision(), now=now,
            )  # fmt: skip
        went_live = _promote(engine, server, model_id, live, now)
        with engine.begin() as connection:
            models.prune(connection, server.id)
        return Trained(model_id, metrics, went_live)


def _fitted(train: Lists, later: Lists, parameters: Parameters | DlrmParameters, progress: Progress) -> Ranker:
    if isinstance(parameters, DlrmParameters):
        return fit_dlrm(train, later, NAMES, parameters, progress)
    return fit_lambdamart(train, later, NAMES, parameters, progress)


def split(past: Past, progress: Progress) -> tuple[Lists, Held, Held]:
    """What is trained on, what ends the training, and what judges. Raises NothingToLearn."""
    chosen = past.moments.chosen
    n_held = _n_held(past)
    trained_on, ends, judges = np.split(chosen, [len(chosen) - 2 * n_held, len(chosen) - n_held])
    if len(trained_on) < MIN_LISTS:
        raise NothingToLearn(
            f"A ranker learns from what was chosen at {MIN_LISTS} moments or more; here it would be {len(trained_on)}. "
            "Watch more, or import a history with its times."
        )
    trained_on = trained_on[-MAX_LISTS:]
    train = _sampled(_told(past.lists(trained_on), len(trained_on), progress))
    if len(train) < MIN_LISTS:
        raise NothingToLearn(f"What was watched then or later was among the candidates {len(train)} times; a ranker takes {MIN_LISTS}.")
    return train, _held(past, ends), _held(past, judges)


def judged_moments(past: Past) -> Held:
    """The latest, as `split` has them."""
    chosen = past.moments.chosen
    return _held(past, chosen[len(chosen) - _n_held(past) :])


def _n_held(past: Past) -> int:
    return min(int(len(past.moments.chosen) * SHARE_HELD), MAX_HELD)


def _held(past: Past, chosen: Ints) -> Held:
    found = list(past.lists(chosen))
    features = np.concatenate([np.zeros((0, len(NAMES)), np.float32), *(one for one, _ in found)])
    grades = np.concatenate([np.zeros(0, np.int8), *(one.grades for _, one in found)])
    sizes, places = (np.array(values, dtype=np.int64) for values in ([len(one) for one, _ in found], [one.place for _, one in found]))
    return Held(features, grades, sizes, places)


def _told(lists: Iterator[tuple[Floats, Offered]], n: int, progress: Progress) -> Iterator[tuple[Floats, Offered]]:
    for number, one in enumerate(lists):
        if number % 100 == 0:
            progress(number, n)
        yield one


def _sampled(lists: Iterable[tuple[Floats, Offered]]) -> Lists:
    """Of each list what was to be found and some others, in no order."""
    generator = np.random.default_rng(SEED)
    features, labels, sizes = [], [], []
    for found, offered in lists:
        wanted, others = np.flatnonzero(offered.grades), np.flatnonzero(offered.grades == 0)
        if not len(wanted):
            continue
        kept = generator.permutation(np.append(generator.choice(others, min(N_OTHERS, len(others)), replace=False), wanted))
        features.append(found[kept])
        labels.append(offered.grades[kept])
        sizes.append(len(kept))
    if not sizes:
        return Lists(np.zeros((0, len(NAMES)), np.float32), np.zeros(0, np.int8), np.zeros(0, np.int64))
    return Lists(np.concatenate(features), np.concatenate(labels), np.array(sizes))


def measured(judged: Held, scores: Floats, live: Live | None) -> dict[str, Any]:
    """NDCG@10 and hit rate on whole lists by these scores, what was not among the candidates counting as missed; beside fused scores and
    what is live, where that can be used."""
    ranks = judged.ranks_by(scores)
    found = ndcg_of_one(ranks)
    against = {models.FUSED: compared(found, ndcg_of_one(judged.ranks(None)))}
    if live is not None and live.ranker is not None:
        against[models.against(live.model.id)] = compared(found, ndcg_of_one(judged.ranks(live.ranker)))
    return {
        "ndcg@10": float(found.mean()), "ci95": interval(found, SEED), "hr@10": float(((ranks >= 0) & (ranks < 10)).mean()),
        "recall_of_candidates": float((ranks >= 0).mean()), "n_cases": len(ranks), "against": against,
    }  # fmt: skip


def compared(ours: Figures, others: Figures) -> dict[str, Any]:
    """Paired, with its 95% interval."""
    return difference(ours - others, SEED) | {"n_cases": len(ours)}


def live_ranker(engine: Engine, server: Server) -> Live | None:
    with engine.begin() as connection:
        live = models.live_model(connection, server.id)
    if live is None:
        return None
    try:
        return Live(live, read_ranker_of(engine, live))
    except Exception as error:  # another version's, or damaged: whatever it is, it does not serve
        log.warning("the live model cannot be used", model_id=live.id, error=type(error).__name__)
        return Live(live, None)


def read_ranker_of(engine: Engine, model: Model) -> Ranker:
    with engine.begin() as connection:
        content = models.read_bytes(connection, model.server_id, model.id)
    return read_second_stage(model.name, content).ranker


def _promote(engine: Engine, server: Server, model_id: int, live: Live | None, now: datetime) -> bool:
    """`live`: what was live when it was measured. What took its place since is compared with as any other."""
    try:
        with engine.begin() as connection:
            models.hold(connection, server.id)
            still = models.live_model(connection, server.id)
            is_unusable = live is not None and live.ranker is None and still is not None and still.id == live.model.id
            reason = f"Model {still.id} cannot be used by this version." if still is not None and is_unusable else None
            promotion.promote(connection, server, model_id, reason, now)
    except PromotionRefused as error:
        log.warning("trained, and kept as a candidate", server=server.external_id, model_id=model_id, detail=error.detail)
        return False
    return True


def card(ranker: Ranker, judged: Held, scores: Floats) -> dict[str, Any]:
    """Of each feature its importance, and how it was distributed: over all candidates, and over those the model would have shown."""
    shown = np.zeros(len(judged.features), dtype=np.bool_)
    for start, size in zip(judged.starts.tolist(), judged.sizes.tolist(), strict=True):
        shown[start + np.argsort(-scores[start : start + size], kind="stable")[:N_SHOWN]] = True
    gains = ranker.importance()
    return {"features": [_distribution(name, float(gains[at]), judged.features[:, at], shown) for at, name in enumerate(NAMES)]}


def _distribution(name: str, gain: float, values: Floats, shown: npt.NDArray[np.bool_]) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    quantiles = np.linspace(0, 1, N_EDGES + 1)[1:-1]
    edges = np.unique(np.quantile(known, quantiles, method="nearest")).astype(np.float32) if len(known) else np.zeros(0, np.float32)
    counts, shown_counts = count_in(edges, values), count_in(edges, values[shown])
    return {
        "name": name, "gain": gain, "edges": [float(edge) for edge in edges],
        "counts": counts[:-1].tolist(), "n_missing": int(counts[-1]),
        "shown_counts": shown_counts[:-1].tolist(), "shown_n_missing": int(shown_counts[-1]),
    }  # fmt: skip


def _window(past: Past, n_lists: int) -> dict[str, Any]:
    events, at = past.watched.events, past.watched.begun_at[~np.isnan(past.watched.begun_at)]
    first, last = (datetime.fromtimestamp(float(at.min()), UTC), datetime.fromtimestamp(float(at.max()), UTC)) if len(at) else (None, None)
    return {
        "from": first and first.isoformat(), "to": last and last.isoformat(), "n_users": events.n_users,
        "n_events": int((events.weights > 0).sum()), "n_moments": len(past.moments.chosen), "n_lists": n_lists,
    }  # fmt: skip


def code_revision() -> str:
    """The version, and a digest of the code that says what features and rankers are."""
    folder = Path(app.learn.__file__).parent
    digest = hashlib.sha256(b"".join((folder / name).read_bytes() for name in SOURCES))
    return f"{version('palate')}+{digest.hexdigest()[:12]}"


SOURCES: Sequence[str] = ("dlrm.py", "dlrm_training.py", "features.py", "item_facts.py", "ranker.py", "second_stage.py", "transitions.py")
