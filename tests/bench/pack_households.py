"""A pack built from five folds of MovieLens, installed on servers that have eight people of the sixth and nothing else.

    python -m tests.bench.pack_households FOLDER [--metadata FILE.jsonl.gz] [--every 5] [--vectors FILE.npy] [--json FILE]

Beside it, on the same households: the model learned from the five folds directly (never written to a file), what is learned from the
eight alone, and text. `--every 5` takes every fifth household. Encoding takes minutes; `--vectors` keeps the result.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.commands.bench import scratch_engines
from app.connect.pack import Pack, read_pack, write_pack
from app.db import spaces
from app.learn.collaborative import weighed
from app.learn.events import Events, Task
from app.learn.metrics import accuracy, interval
from app.learn.next_item import ItemVectors, Parameters, learn
from app.learn.splits import households, unseen_users
from app.types import unseen
from jobs.evaluate_served import NOW, SERVED, Bench, Served
from jobs.evaluation_data import read_movielens_events
from jobs.learn_collab import learn_collab, put_live, store
from jobs.packs import install, pack_of_films
from jobs.revision import revision_of
from tests.bench.kept import take_text

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class Installing(Served):
    """What a person is shown on a server whose people are the household, after `give` gave it its collab space."""

    def __init__(self, name: str, bench_of: Bench, give: Callable[[], None] | None) -> None:
        super().__init__(name, SERVED["fused (served)" if give else "text (palate)"], bench_of, Parameters())
        self._give = give

    def fit(self, train: Events) -> None:
        self._train = train
        self._bench.forget_collab()
        # Installing reads what is watched here, so the household moves in first.
        self._bench.people(train, [])
        if self._give is not None:
            self._give()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metadata", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    events, library = read_movielens_events(arguments.folder, arguments.metadata, MODEL)
    take_text(library, arguments.vectors)
    elsewhere = unseen_users(events, 0)[0].train
    found = learn(weighed(elsewhere), Parameters())
    pack = _through_a_file(pack_of_films(weighed(elsewhere), library.bodies, found, Parameters(), "MovieLens (five folds)", None))
    tasks = households(events, 0)[:: arguments.every]
    rows = []
    with scratch_engines() as (_, _, work, serve):
        bench = Bench(work, serve, library)
        for name, give in _givers(bench, elsewhere, found, pack).items():
            rows.append(_measured(Installing(name, bench, give), tasks, events.n_items))
            print(rows[-1], flush=True)  # noqa: T201
    figures = {row["recommender"]: row["ndcg@10"] for row in rows}
    report = {"n_households": len(tasks), "results": rows, "pack over direct": figures["pack"] / figures["direct"]}
    print(report)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _givers(bench: Bench, elsewhere: Events, found: ItemVectors, pack: Pack) -> dict[str, Callable[[], None] | None]:
    def direct() -> None:
        with bench.work.begin() as connection:
            text = spaces.live_space(connection, bench.server.id, "text")
            assert text is not None
            vectors = spaces.read_vectors(connection, text)
        revision = revision_of(elsewhere, bench.item_ids, found, vectors, Parameters(), NOW)
        put_live(bench.work, store(bench.work, bench.server, revision), NOW)

    return {
        "text": None,
        "pack": lambda: _install(bench, pack),
        "direct": direct,
        "eight alone": lambda: _learn(bench),
    }


def _install(bench: Bench, pack: Pack) -> None:
    install(bench.work, bench.server, pack, NOW, unseen)


def _learn(bench: Bench) -> None:
    learn_collab(bench.work, bench.server, NOW, unseen, is_judged=False)


def _measured(served: Installing, tasks: list[Task], n_items: int) -> dict[str, Any]:
    lists, cases = [], []
    for task in tasks:
        served.fit(task.train)
        lists.append(served.recommend(task.cases, 20))
        cases += task.cases
    figures = accuracy(np.concatenate(lists), cases, n_items)
    return {
        "recommender": served.name, "ndcg@10": float(figures.ndcg_10.mean()), "ci95": interval(figures.ndcg_10, 0),
        "recall@20": float(figures.recall_20.mean()), "n_cases": len(cases),
    }  # fmt: skip


def _through_a_file(pack: Pack) -> Pack:
    with tempfile.TemporaryDirectory() as folder:
        write_pack(pack, Path(folder) / "five-folds.pack")
        return read_pack(Path(folder) / "five-folds.pack")


if __name__ == "__main__":
    main()
