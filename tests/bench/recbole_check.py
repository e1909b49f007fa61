"""Is the harness right? RecBole's setting for MovieLens 1M, whose published figure for EASE is NDCG@10 .2865
(EXPERIMENTS, before the first version).

python -m tests.bench.recbole_check ML_FOLDER [--ridge 500] [--seeds 1]
"""

import argparse
from pathlib import Path

from app.learn.ease import Ease
from app.learn.metrics import accuracy
from app.learn.splits import learned_alone, random_8_1_1
from jobs.evaluation_data import read_movielens_events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movielens", type=Path)
    parser.add_argument("--ridge", type=float, default=500)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    if not arguments.movielens.is_dir():
        print(f"There is no folder {arguments.movielens}: nothing was measured.")  # noqa: T201
        return
    events, _ = read_movielens_events(arguments.movielens, None, "")
    for seed in range(arguments.seeds):
        [task] = random_8_1_1(events, seed)
        recommender = Ease("ease", arguments.ridge, learned_alone(task.train))
        recommender.fit(task.train)
        figures = accuracy(recommender.recommend(task.cases, 20), task.cases, events.n_items)
        print(f"seed {seed}: EASE NDCG@10 {figures.ndcg_10.mean():.4f} of {len(task.cases):,} users")  # noqa: T201


if __name__ == "__main__":
    main()
