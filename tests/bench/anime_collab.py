"""What is served to people who were not learned from: 16,214 anime titles, real histories, every title ranked.

    python -m tests.bench.anime_collab FOLDER [--folds 1] [--vectors FILE.npy] [--json FILE]

FOLDER holds the MyAnimeList files of the measuring data. Encoding takes minutes; `--vectors` keeps raw text vectors. `--folds 6` asks
everybody, in turn.

The files know of no time, and list a history by MyAnimeList's own ids: but for 13 titles that bear another's name by now, not one step of
any history falls. The end of such a list is what was released last, not what was watched last. So all events are said to have no order,
and the tenth held out of each history is drawn at random.
Of that tenth the titles rated 8 and up are relevant, as in `unseen-users` of MovieLens; watched and unrated ones are not. The two thirds
of the titles that no history names stay in the library and are ranked with the others.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.commands.evaluate import measuring, show
from app.learn.events import Events, Task
from app.learn.metrics import Figures, accuracy
from app.learn.splits import unseen_users
from jobs.evaluate import Answers, answer, report_on
from jobs.evaluation_data import Library
from tests.bench.anime_recall import read_histories, read_table, read_titles, titles_known
from tests.bench.kept import take_text

NAMES = ["popularity", "item-knn", "ease", "next-item", "text (palate)", "collab (served)", "fused (served)"]
SEED, N_RESAMPLES = 0, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    titles = read_titles(arguments.folder)
    library = Library([title | {"item_id": str(number)} for number, title in enumerate(titles)], "sentence-transformers/all-MiniLM-L6-v2")
    take_text(library, arguments.vectors)
    events = read_events(arguments.folder, [title["name"] for title in titles])
    report = _measured(events, unseen_users(events, SEED)[: arguments.folds], library)
    show(report)
    for row in report["results"][1:]:
        minus, times = row["minus"]["popularity"], row["times popularity"]
        (low, high), (least, most) = minus["ci95"], times["ci95"]
        against = f"{minus['ndcg@10']:+.4f} ({low:+.4f} to {high:+.4f}), {times['ratio']:.2f} times ({least:.2f} to {most:.2f})"
        print(f"{row['recommender']} against popularity: {against}")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def read_events(folder: Path, names: list[str]) -> Events:
    """Each history in an order drawn at random, and said to have none."""
    random = np.random.default_rng(SEED)
    histories = [random.permutation(history) for history in read_histories(folder, names)]
    ratings = [
        [of_user.get(item, np.nan) for item in history.tolist()]
        for of_user, history in zip(read_ratings(folder, names), histories, strict=True)
    ]
    items = np.concatenate(histories)
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    rated, ones = np.concatenate(ratings).astype(np.float32), np.ones(len(items), dtype=np.float32)
    return Events(users, items, rated, ones, len(histories), len(names), has_order=np.zeros(len(items), dtype=np.bool_))


def read_ratings(folder: Path, names: list[str]) -> list[dict[int, float]]:
    """Of the users of `read_histories`, in its order: 1..10 by position of the title."""
    known = titles_known(folder, names)
    found: dict[str, dict[int, float]] = {user: {} for user, title, _ in read_table(folder, "history") if title in known}
    for user, title, rating in read_table(folder, "ratings"):
        if title in known:
            found[user][known[title]] = float(rating)
    return list(found.values())


def _measured(events: Events, tasks: list[Task], library: Library) -> dict[str, Any]:
    """The report of `jobs.evaluate`, and how many times popularity's NDCG@10 each has."""
    cases = [case for task in tasks for case in task.cases]
    answers: dict[str, Answers] = {}
    with measuring(NAMES) as (chosen, progress):
        for number, (name, factory) in enumerate(chosen.items()):
            progress(number, len(chosen))
            answers[name] = answer(partial(factory, "unseen-users", library), tasks, lambda _: None)
    report: dict[str, Any] = {
        "dataset": "anime", "protocol": "unseen-users", "n_users": events.n_users, "n_items": events.n_items, "n_plays": len(events),
        "n_folds": len(tasks), "seed": SEED,
    } | report_on(answers, cases, events.n_items, library, SEED)  # fmt: skip
    figures = {name: accuracy(one.lists, cases, events.n_items).ndcg_10 for name, one in answers.items()}
    for row in report["results"]:
        row["times popularity"] = _times(figures[row["recommender"]], figures["popularity"])
    return report


def _times(values: Figures, others: Figures) -> dict[str, Any]:
    """The ratio of the means, and 95% of those of resampled cases."""
    drawn = np.random.default_rng(SEED).integers(0, len(values), (N_RESAMPLES, len(values)), dtype=np.int32)
    low, high = np.quantile(values[drawn].mean(axis=1) / others[drawn].mean(axis=1), [0.025, 0.975])
    return {"ratio": float(values.mean() / others.mean()), "ci95": (float(low), float(high))}


if __name__ == "__main__":
    main()
