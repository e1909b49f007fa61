"""How long a full recomputation of everybody's taste takes, facets and labels included, as histories grow.

    python -m tests.bench.tastes_scale [--users 6040] [--plays 100000 400000 1000000 4000000] [--json FILE]

Made-up vectors in clusters, histories of lengths as uneven as people's (log-normal), one play an item.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.commands.bench import scratch_engines
from app.types import unseen
from jobs.bench_data import DIMENSION, plant_world
from jobs.refresh_tastes import refresh_space

N_ITEMS = 12_000
N_CLUSTERS = 60


def histories(n_users: int, n_plays: int, random: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    shape = random.lognormal(0, 1, n_users)
    lengths = np.clip((shape / shape.sum() * n_plays).astype(int), 1, N_ITEMS // 2)
    return [random.choice(N_ITEMS, size=length, replace=False) for length in lengths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=6_040)
    parser.add_argument("--plays", type=int, nargs="+", default=[100_000, 400_000, 1_000_000, 4_000_000])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    centres = random.standard_normal((N_CLUSTERS, DIMENSION))
    vectors = centres[random.integers(N_CLUSTERS, size=N_ITEMS)] + 1.5 * random.standard_normal((N_ITEMS, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = []
    for n_plays in arguments.plays:
        with scratch_engines() as (_, _, work, _):
            watched = histories(arguments.users, n_plays, random)
            world = plant_world(work, vectors, watched, N_ITEMS)
            times = []
            for _ in range(3):
                started = time.perf_counter()
                refresh_space(work, world.space, datetime.now(UTC), unseen)
                times.append(time.perf_counter() - started)
        n_rows = sum(map(len, watched))
        median = float(np.median(times))
        rows.append({"n_plays": n_rows, "seconds": round(median, 2), "microseconds_a_play": round(1e6 * median / n_rows, 2)})
        print(rows[-1], flush=True)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"n_users": arguments.users, "results": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
