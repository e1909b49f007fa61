"""Items that nobody watched, found by their text in the space learned from behaviour.

    python -m tests.bench.cold_items FOLDER METADATA.jsonl.gz [--vectors FILE.npy] [--ridge 3] [--json FILE]

MovieLens, protocol `last-tenth`: a tenth of the films is hidden from learning, and gets vectors predicted from text. How often a held-out
film of these is among the first 50, beside chance; and what their being there costs the others (NDCG@10 over relevant films that were
learned, with and without predictions).
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.learn import cold_items
from app.learn.centring import centre_of, centred
from app.learn.cold_items import predict_cold
from app.learn.collaborative import scores_of, weighed
from app.learn.events import ORDER_DECAY, Case
from app.learn.metrics import accuracy
from app.learn.next_item import Parameters, learn
from app.learn.ranking import ranked
from app.learn.splits import tasks_of
from jobs.evaluation_data import read_movielens_events
from tests.bench.kept import take_text

HIDDEN_SHARE, N_FIRST = 0.1, 50
Floats = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movielens", type=Path)
    parser.add_argument("metadata", type=Path)
    parser.add_argument("--vectors", type=Path, help="keep raw text vectors in this file")
    parser.add_argument("--ridge", type=float, nargs="+", default=[cold_items.RIDGE])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    events, library = read_movielens_events(arguments.movielens, arguments.metadata, "sentence-transformers/all-MiniLM-L6-v2")
    take_text(library, arguments.vectors)
    text, _ = centred(library.text_vectors, centre_of(library.text_vectors))
    [task] = tasks_of("last-tenth", events, 0)
    hidden = np.random.default_rng(0).random(events.n_items) < HIDDEN_SHARE
    seen = weighed(task.train)
    learned = learn(seen.counting(~hidden[seen.items]), Parameters())
    # Of what was held out, what was learned from and what was not.
    warm = [replace(case, relevant=case.relevant[~hidden[case.relevant]]) for case in task.cases]
    cold = [replace(case, relevant=case.relevant[hidden[case.relevant]]) for case in task.cases]
    warm, cold = [case for case in warm if len(case.relevant)], [case for case in cold if len(case.relevant)]
    chance = np.mean([N_FIRST / (events.n_items - len(case.history)) for case in cold])
    report = []
    for ridge in arguments.ridge:
        cold_items.RIDGE = ridge
        made = predict_cold(text, np.ones(events.n_items, dtype=bool), learned.history, learned.target, learned.n_events)
        before, after = (_lists(warm, one.history, one.target, events.n_items) for one in (learned, made))
        found = _lists(cold, made.history, made.target, events.n_items)
        share = np.concatenate([np.isin(case.relevant, first) for case, first in zip(cold, found, strict=True)]).mean()
        scores = [float(accuracy(lists[:, :20], warm, events.n_items).ndcg_10.mean()) for lists in (before, after)]
        report.append(
            {
                "ridge": ridge,
                "n_hidden": int(hidden.sum()),
                "n_cases": len(cold),
                "found": float(share),
                "times_chance": float(share / chance),
            }
            | {"ndcg@10 without": scores[0], "ndcg@10 with": scores[1]}
        )
        print(report[-1], flush=True)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _lists(cases: list[Case], history: Floats, target: Floats, n_items: int) -> npt.NDArray[np.int64]:
    score = partial(scores_of, history=history, target=target, order_decay=ORDER_DECAY)
    return ranked(score, np.zeros(n_items, dtype=np.float32), cases, N_FIRST)


if __name__ == "__main__":
    main()
