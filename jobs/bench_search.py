"""`palate bench search`: what the retrieval statement costs beside the bare nearest-neighbour query, and what it finds.

The floor is the same query vector on the same index with nothing excluded. Recall is against the exact filtered
answer of the same user: its mean and its first percentile over users.
"""

import functools
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.db import Connection, Engine, bench
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.searches import BLOCK
from app.recommend.context import Context, find_context
from app.recommend.effort import search_for
from app.types import Candidate, Filters
from jobs.bench_data import DataKind, World, build_world

LIMIT = 20
ROUNDS = 5

Row = dict[str, Any]


def bench_search(work: Engine, serve: Engine, kind: DataKind, n_items: int, n_users: int, model_name: str, seed: int) -> list[Row]:
    world = build_world(work, kind, n_items, n_users, model_name, seed)
    rows = measure_search(serve, world, world.histories)
    for length in sorted(set(world.histories.values())):
        some = {user: n for user, n in world.histories.items() if n == length}
        rows += [row | {"name": f"{row['name']}, {length} watched"} for row in measure_search(serve, world, some)]
    return rows


def measure_search(engine: Engine, world: World, users: dict[str, int]) -> list[Row]:
    times: dict[str, list[float]] = {"floor: nearest neighbours": [], "search": [], "search with reasons": [], "exact": []}
    calls: list[dict[str, Callable[[], Any]]] = []
    recalls, n_short = [], 0
    with engine.connect() as connection:
        for user in users:
            context = find_context(connection, world.server, user, None, datetime.now(UTC))
            search = functools.partial(_search, connection, world, context)
            calls.append(
                {
                    "floor: nearest neighbours": functools.partial(bench.nearest, connection, world.server.id, context.asker, LIMIT),
                    "search": search,
                    "search with reasons": functools.partial(search, explain=True),
                }
            )
            exact, found = _timed(times["exact"], functools.partial(search, exact=True)), search()
            wanted = {candidate.item_id for candidate in exact}
            recalls.append(len(wanted & {candidate.item_id for candidate in found}) / max(len(wanted), 1))
            n_short += len(found) < len(exact)
        # One user after the other, as requests come: the same one again would find everything in the processor's caches.
        for name in calls[0]:
            for turn in range(ROUNDS + 1):
                for mine in calls:
                    _timed(times[name] if turn else [], mine[name])
    accuracy = {"recall@20": float(np.mean(recalls)), "recall@20_p1": float(np.percentile(recalls, 1)), "n_short": n_short}
    return [{"name": name, **summary(spent)} | (accuracy if name == "search" else {}) for name, spent in times.items()]


def summary(seconds: Sequence[float]) -> Row:
    p50, p95, p99 = (round(1000 * float(value), 3) for value in np.percentile(seconds, [50, 95, 99]))
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "per_second": round(1 / float(np.mean(seconds)), 1)}


def _timed(spent: list[float], call: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    answer = call()
    spent.append(time.perf_counter() - start)
    return answer


def _search(connection: Connection, world: World, context: Context, *, exact: bool = False, explain: bool = False) -> list[Candidate]:
    """The first of what a request puts in order: its search, without what makes a list varied."""
    search = search_for(context.asker, context.kinds)
    question = Question(
        context.asker, Filters(), search, datetime.now(UTC), explain,
        kinds=context.kinds, evidence=context.evidence, n_facets=len(context.labels),
    )  # fmt: skip
    return retrieve(connection, world.server, question.exactly() if exact else question, first=0, last=BLOCK)[:LIMIT]
