"""Where the time of an answer with a ranker goes: the same functions as a request calls, in this process, with a clock around each."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from app.api.recommendations import as_answer
from app.db import Engine
from app.learn import second_stage
from app.learn.second_stage import SecondStage, read_second_stage
from app.recommend import pipeline
from app.recommend.rankers import Rankers
from app.types import Filters, Slate
from jobs.bench_data import World
from jobs.bench_search import LIMIT, ROUNDS, summary

Row = dict[str, Any]

WHOLE = "in process, whole"


def measure_stages(engine: Engine, world: World, stage: SecondStage) -> list[Row]:
    """One row for each stage, one for the whole. The ranker is live already."""
    spent: dict[str, list[float]] = {}
    rankers = Rankers(engine, read_second_stage)
    if not rankers.warm(60):
        raise RuntimeError("the ranker did not load")
    # What is called, where it is called from, under its name there.
    places: list[tuple[str, Any, str]] = [
        ("asker and context", pipeline, "find_context"), ("find statement", pipeline, "find"),
        ("features", second_stage, "features_of"), ("ranker", type(stage.ranker), "score"),
        ("selection", pipeline, "select"), ("dress statement", pipeline, "dress"),
    ]  # fmt: skip
    with contextlib.ExitStack() as clocks:
        for name, place, attribute in places:
            clocks.enter_context(_clock(spent.setdefault(name, []), place, attribute))
        dumps = _timed(spent.setdefault("answer as JSON", []), _dumps)
        whole = _timed(spent.setdefault(WHOLE, []), _recommend)
        for turn in range(ROUNDS + 1):
            for user in world.histories:
                dumps(whole(engine, world, user, rankers), world, user)
            if turn == 0:
                for times in spent.values():
                    times.clear()
    rankers.stop()
    return [{"name": f"stage: {name}", **summary(times)} for name, times in spent.items()]


def _recommend(engine: Engine, world: World, user: str, rankers: Rankers[SecondStage]) -> Slate:
    with engine.begin() as connection:
        slate = pipeline.recommend(
            connection, world.server, user, Filters(), limit=LIMIT, offset=0, explain=True, now=datetime.now(UTC), slate_id=uuid.uuid4(),
            rankers=rankers,
        )  # fmt: skip
    if slate.model_id is None:
        raise RuntimeError(f"{user} was answered without the ranker")
    return slate


def _dumps(slate: Slate, world: World, user: str) -> bytes:
    return orjson.dumps(as_answer(slate, world.server, user, True))


@contextlib.contextmanager
def _clock(spent: list[float], place: Any, attribute: str) -> Iterator[None]:
    """While it lasts, calls from there are timed."""
    plain = getattr(place, attribute)
    setattr(place, attribute, _timed(spent, plain))
    try:
        yield
    finally:
        setattr(place, attribute, plain)


def _timed(spent: list[float], plain: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*values: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return plain(*values, **named)
        finally:
            spent.append(time.perf_counter() - started)

    return timed
