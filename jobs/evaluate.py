"""Recommenders side by side on the same held-out rows: full ranking over all items, what was seen masked, nothing sampled."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from app.errors import NothingToLearn
from app.learn.baselines import ItemKnn, Popularity, RecentPopularity, UserKnn, text_centred, text_flat_mean
from app.learn.collaborative import NextItem
from app.learn.ease import ease, ease_recency
from app.learn.events import Case, Events, Ints, Recommender, Task
from app.learn.factors import Bpr, Ials
from app.learn.item_content import content_of
from app.learn.metrics import (
    AGES,
    AGES_IN_YEARS,
    Accuracy,
    Figures,
    accuracy,
    coverage,
    difference,
    history_slices,
    interval,
    intra_list_distance,
    novelty,
    recall_by_age,
)  # fmt: skip
from app.learn.splits import ProtocolName, tasks_of
from app.learn.two_tower import TwoTower
from app.types import Progress
from jobs.evaluation_data import Library

LIST_LENGTH = 20
# What all others of the same run are compared with, case by case.
REFERENCES = ("popularity", "ease (recency)", "fused (served)")

Factory = Callable[[ProtocolName, Library], Recommender]

RECOMMENDERS: dict[str, Factory] = {
    "popularity": lambda _protocol, _library: Popularity(),
    "recent popularity": lambda _protocol, _library: RecentPopularity(),
    "item-knn": lambda _protocol, _library: ItemKnn(),
    "user-knn": lambda _protocol, _library: UserKnn(),
    "ials": lambda _protocol, _library: Ials(),
    "bpr": lambda _protocol, _library: Bpr(),
    "ease": lambda protocol, _library: ease(protocol),
    "ease (recency)": lambda _protocol, _library: ease_recency(),
    "next-item": lambda _protocol, _library: NextItem(),
    "next-item rank 256": lambda _protocol, _library: NextItem(256),
    # Without text: a run that has no other use for texts does not wait for the encoder, and one that has answers the same.
    "two-tower": lambda _protocol, library: TwoTower(content_of(library.bodies)),
    "text (flat mean)": lambda _protocol, library: text_flat_mean(library.text_vectors),
    "text (centred)": lambda _protocol, library: text_centred(library.text_vectors),
}


@dataclass(frozen=True)
class Answers:
    """What one recommender answered, the cases of all tasks one after the other: `lists` (n_cases, LIST_LENGTH), `novelty` (n_cases,)."""

    lists: Ints
    novelty: Figures
    fit_seconds: float
    score_seconds: float


def evaluate(
    dataset: str, protocol: ProtocolName, events: Events, library: Library, chosen: Mapping[str, Factory], seed: int, progress: Progress
) -> dict[str, Any]:
    """The report: head, seed, `n_cases`, `variety_by` and a row of figures for each recommender of `chosen`. Raises BadInput where nothing
    can be held out."""
    return evaluate_tasks(dataset, protocol, events, tasks_of(protocol, events, seed), library, chosen, seed, progress)


def evaluate_tasks(
    dataset: str, protocol: ProtocolName, events: Events, tasks: list[Task], library: Library, chosen: Mapping[str, Factory],
    seed: int, progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """The same of any split. Raises NothingToLearn where nobody is asked."""
    tasks = [task for task in tasks if task.cases]
    if not tasks:
        raise NothingToLearn(f"Under {protocol}, nothing is held out of {len(events):,} rows, so nothing can be measured.")
    head = {"dataset": dataset, "protocol": protocol, "n_users": events.n_users, "n_items": events.n_items, "n_plays": len(events)}
    return head | {"seed": seed} | compare(tasks, protocol, library, chosen, seed, progress)


def compare(
    tasks: list[Task], protocol: ProtocolName, library: Library, chosen: Mapping[str, Factory], seed: int, progress: Progress
) -> dict[str, Any]:
    """`n_cases`, `variety_by` and the `results` on tasks of any split."""
    answers = {}
    for number, (name, factory) in enumerate(chosen.items()):
        told = partial(_tell, progress, number * len(tasks), len(chosen) * len(tasks))
        answers[name] = answer(partial(factory, protocol, library), tasks, told)
    return report_on(answers, [case for task in tasks for case in task.cases], tasks[0].train.n_items, library, seed)


def answer(make: Callable[[], Recommender], tasks: list[Task], told: Callable[[int], None]) -> Answers:
    """A new recommender for each task, so that nothing of one reaches another."""
    lists, information, fit_seconds, score_seconds = [], [], 0.0, 0.0
    for number, task in enumerate(tasks):
        told(number)
        # What is made of texts encodes them here: once a run, and in nobody's time.
        recommender = make()
        started = time.perf_counter()
        recommender.fit(task.train)
        fitted = time.perf_counter()
        found = recommender.recommend(task.cases, LIST_LENGTH)
        fit_seconds, score_seconds = fit_seconds + fitted - started, score_seconds + time.perf_counter() - fitted
        check(recommender.name, found, task)
        lists.append(found)
        information.append(novelty(found, task.train))
    told(len(tasks))
    return Answers(np.concatenate(lists), np.concatenate(information), fit_seconds, score_seconds)


def check(name: str, lists: Ints, task: Task) -> None:
    """A list that repeats itself or what was seen would be measured as better than it is. Raises ValueError."""
    ordered = np.sort(lists, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError(f"{name} has an item twice in one list.")
    if any(np.isin(found, case.history).any() for found, case in zip(lists, task.cases, strict=True)):
        raise ValueError(f"{name} recommends what was seen.")


def report_on(answers: Mapping[str, Answers], cases: list[Case], n_items: int, library: Library, seed: int) -> dict[str, Any]:
    """`n_cases`, what variety is measured by, and the `results`."""
    # Text says more of how alike two films are than their genres do, but a run without texts does not wait for them.
    variety_by = "text" if "text_vectors" in vars(library) else "genres"
    vectors = library.text_vectors if variety_by == "text" else library.genre_vectors
    figures = {name: accuracy(one.lists, cases, n_items) for name, one in answers.items()}
    results = []
    for name, one in answers.items():
        references = {other: figures[other] for other in REFERENCES if other in figures and other != name}
        results.append(
            {"recommender": name}
            | means(figures[name])
            | {"coverage@10": coverage(one.lists, n_items), "ci95": interval(figures[name].ndcg_10, seed)}
            | {"fit_seconds": one.fit_seconds, "score_seconds": one.score_seconds}
            | {"novelty": _mean(one.novelty), "intra_list_distance": _mean(intra_list_distance(one.lists, vectors))}
            | {"minus": {other: difference(figures[name].ndcg_10 - figure.ndcg_10, seed) for other, figure in references.items()}}
            | {"slices": sliced(figures[name], cases), "item_slices": sliced_by_age(one.lists, cases, library)}
        )
    return {"n_cases": len(cases), "variety_by": variety_by, "results": results}


def means(figures: Accuracy) -> dict[str, float]:
    shown = {"ndcg@10": figures.ndcg_10, "recall@20": figures.recall_20, "hr@10": figures.hr_10, "mrr@20": figures.mrr_20}
    return {name: float(values.mean()) for name, values in shown.items()}


def sliced(figures: Accuracy, cases: list[Case]) -> list[dict[str, Any]]:
    """The same by length of history: the first slices are cold starts."""
    return [
        {"history": label, "n_cases": int(chosen.sum())} | means(figures.of_cases(chosen))
        for label, chosen in history_slices(cases).items()
    ]


def sliced_by_age(lists: Ints, cases: list[Case], library: Library) -> list[dict[str, Any]]:
    """The relevant items by how long ago they were added, or released: the first are cold starts of items."""
    age_days, is_in_years = library.item_ages
    found = recall_by_age(lists, cases, age_days, AGES_IN_YEARS if is_in_years else AGES)
    return [{"item_age": label, "n_relevant": n, "recall@20": recall} for label, (n, recall) in found.items()]


def _mean(values: Figures) -> float | None:
    """None where no list had enough items to say."""
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)
