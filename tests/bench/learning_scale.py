"""How the time and the memory of learning item vectors grow, with plays and with items.

    python -m tests.bench.learning_scale [--plays 100000,300000,1000000] [--items 3000,10000,20000] [--json FILE]

Made-up people of a hundred plays each, mostly of clusters that they like. Each row is a process of its own, so that the peak of its memory
is its own. idle_gb: what it had taken before, after a fit of next to nothing; bound_gb: `bytes_needed`. The floor, in the same process: one
bare Cholesky factorisation of (n_items, n_items) doubles. What needs more memory than is free is left out and says so.
"""

import argparse
import json
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from app.learn.events import Events
from app.learn.next_item import Parameters, bytes_needed, learn
from app.learn.ridge import cholesky
from jobs.memory import free_bytes

PLAYS_A_USER = 100
N_CLUSTERS, N_LIKED = 40, 3
# How much likelier an item is watched by those who like its cluster.
LIKING = 20.0
# Of a Pareto distribution.
POPULARITY_TAIL = 1.5
# Users that are drawn at once.
BLOCK = 256
COLUMNS = ("n_plays", "n_items", "n_watched", "fit_seconds", "cholesky_seconds", "ratio", "peak_gb", "bound_gb", "idle_gb")

Row = dict[str, int | float | str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plays", type=_counts, default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--items", type=_counts, default=[3_000, 10_000, 20_000])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    n_threads = max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    print("".join(f"{column:>{len(column) + 2}}" for column in COLUMNS), flush=True)  # noqa: T201
    rows = []
    for n_plays in arguments.plays:
        for n_items in arguments.items:
            rows.append(measured_or_left_out(n_plays, n_items))
            print(_line(rows[-1]), flush=True)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"n_threads": n_threads, "results": rows}, indent=1), encoding="utf-8")


def measured_or_left_out(n_plays: int, n_items: int) -> Row:
    needed, free = bytes_needed(n_items), free_bytes()
    if needed > free:
        return {"n_plays": n_plays, "n_items": n_items, "left_out": f"needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB free"}
    # A process starts with the peak of the one that started it: this one takes nothing but what both import.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(measured, n_plays, n_items).result()


def measured(n_plays: int, n_items: int) -> Row:
    # Whatever is imported or started at the first fit is no part of what grows.
    learn(plays(2 * PLAYS_A_USER, 2 * PLAYS_A_USER), Parameters())
    idle_gb, events = _peak_gb(), plays(n_plays, n_items)
    started = time.perf_counter()
    found = learn(events, Parameters())
    seconds, peak_gb = time.perf_counter() - started, _peak_gb()
    floor = cholesky_seconds(n_items)
    return {
        "n_plays": len(events), "n_items": n_items, "n_watched": int(np.count_nonzero(found.n_events)),
        "fit_seconds": round(seconds, 2), "cholesky_seconds": round(floor, 3), "ratio": round(seconds / floor, 1),
        "peak_gb": round(peak_gb, 2), "bound_gb": round(bytes_needed(n_items) / 1e9, 2), "idle_gb": round(idle_gb, 2),
    }  # fmt: skip


def plays(n_plays: int, n_items: int, seed: int = 0) -> Events:
    """Each user's items are drawn without replacement, by popularity and liking: the first to come of exponential waiting times, in their
    order (Efraimidis and Spirakis 2006). The most watched hundredth of the items gets about a tenth of the plays, as in MovieLens."""
    random = np.random.default_rng(seed)
    n_users = n_plays // PLAYS_A_USER
    popularity = (1 + random.pareto(POPULARITY_TAIL, n_items)).astype(np.float32)
    cluster = random.integers(N_CLUSTERS, size=n_items)
    items = np.empty((n_users, PLAYS_A_USER), dtype=np.int64)
    for start in range(0, n_users, BLOCK):
        block = items[start : start + BLOCK]
        liking = np.ones((len(block), N_CLUSTERS), dtype=np.float32)
        np.put_along_axis(liking, random.integers(N_CLUSTERS, size=(len(block), N_LIKED)), LIKING, axis=1)
        waiting = random.standard_exponential((len(block), n_items), dtype=np.float32) / (liking[:, cluster] * popularity)
        first = np.argpartition(waiting, PLAYS_A_USER - 1, axis=1)[:, :PLAYS_A_USER]
        block[:] = np.take_along_axis(first, np.take_along_axis(waiting, first, axis=1).argsort(axis=1), axis=1)
    users, n = np.repeat(np.arange(n_users), PLAYS_A_USER), items.size
    return Events(users, items.ravel(), np.full(n, np.nan, dtype=np.float32), np.ones(n, dtype=np.float32), n_users, n_items)


def cholesky_seconds(n: int) -> float:
    matrix = np.random.default_rng(0).random((n, n)).T
    matrix[np.diag_indices(n)] += n
    started = time.perf_counter()
    cholesky(matrix)
    return time.perf_counter() - started


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _line(row: Row) -> str:
    known = "".join(f"{row[column]:>{len(column) + 2},}" for column in COLUMNS if column in row)
    return f"{known}  {row.get('left_out', '')}".rstrip()


def _counts(text: str) -> list[int]:
    return [int(count) for count in text.split(",")]


if __name__ == "__main__":
    main()
