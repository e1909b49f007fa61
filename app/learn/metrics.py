"""How good lists are, case by case, and how sure a mean over cases is. Lists have shape (n_cases, n), -1 where there is no item."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.learn.events import Case, Events, Floats, Ints
from app.learn.ranking import popularity_of

Figures = npt.NDArray[np.float64]

N_RESAMPLES = 2000
# Resamples drawn at once: 6,000 cases of them take 5 MB.
_AT_ONCE = 100
DISCOUNT = 1 / np.log2(np.arange(2, 12))
# Histories of the shortest slice have up to 9 items, of the longest 200 and more.
HISTORY_EDGES = (0, 1, 10, 20, 50, 100, 200)
# In days, with what an item younger than the next is called.
AGES = {
    0: "under 30 days",
    30: "30 to 89 days",
    90: "90 to 364 days",
    365: "1 to 4 years",
    5 * 365: "5 to 19 years",
    20 * 365: "20 years and more",
}
AGES_IN_YEARS = {0: "under 1 year"} | {days: name for days, name in AGES.items() if days >= 365}


@dataclass(frozen=True)
class Accuracy:
    """Shape (n_cases,) each."""

    ndcg_10: Figures
    recall_20: Figures
    hr_10: Figures
    mrr_20: Figures

    def of_cases(self, chosen: npt.NDArray[np.bool_]) -> "Accuracy":
        return Accuracy(self.ndcg_10[chosen], self.recall_20[chosen], self.hr_10[chosen], self.mrr_20[chosen])


def accuracy(lists: Ints, cases: list[Case], n_items: int) -> Accuracy:
    """Binary NDCG@10 with ideal min(10, relevant), recall@20 of all relevant, hit rate@10, reciprocal rank@20 of the first hit."""
    n_relevant = np.array([len(case.relevant) for case in cases])
    rows = np.repeat(np.arange(len(cases)), n_relevant)
    wanted = rows * n_items + np.concatenate([case.relevant for case in cases])
    hits = np.isin(np.arange(len(cases))[:, None] * n_items + lists, wanted) & (lists >= 0)
    ideal = np.cumsum(DISCOUNT)[np.minimum(n_relevant, 10) - 1]
    found = hits[:, :20].any(axis=1)
    return Accuracy(
        ndcg_10=(hits[:, :10] * DISCOUNT).sum(axis=1) / ideal,
        recall_20=hits[:, :20].sum(axis=1) / n_relevant,
        hr_10=np.asarray(hits[:, :10].any(axis=1), dtype=np.float64),
        mrr_20=np.where(found, 1 / (hits[:, :20].argmax(axis=1) + 1), 0),
    )


def coverage(lists: Ints, n_items: int) -> float:
    """Share of all items that anybody got among their first ten."""
    shown = lists[:, :10]
    return len(np.unique(shown[shown >= 0])) / n_items


def novelty(lists: Ints, train: Events) -> Figures:
    """Mean self-information in bits of the first ten, shape (n_cases,): -log2 of the share of users who watched the item.

    One more user who watched everything is added, so that an item nobody watched has a value (Vargas and Castells 2011).
    """
    share = (popularity_of(train) + 1) / (len(np.unique(train.users)) + 1)
    return _mean_of_first_ten(lists, -np.log2(share.astype(np.float64)))


def intra_list_distance(lists: Ints, vectors: Floats) -> Figures:
    """Mean of 1 - cosine over all pairs of the first ten, shape (n_cases,); NaN for a list of fewer than two. `vectors`: unit rows."""
    shown = lists[:, :10]
    is_item = shown >= 0
    n = is_item.sum(axis=1)
    sums = np.zeros((len(lists), vectors.shape[1]), dtype=np.float32)
    squares = np.zeros(len(lists))
    # Summed column by column: all vectors of all lists at once would take 100 MB and more.
    for column in range(shown.shape[1]):
        added = vectors[shown[:, column]] * is_item[:, column, None]
        sums += added
        squares += (added**2).sum(axis=1)
    pairs = (sums.astype(np.float64) ** 2).sum(axis=1) - squares
    return np.where(n > 1, 1 - pairs / np.maximum(n * (n - 1), 1), np.nan)


def ndcg_of_one(ranks: Ints) -> Figures:
    """NDCG@10 of lists with one relevant item each, by its rank from 0, -1 where it is not among them; shape (n,)."""
    return np.where((ranks >= 0) & (ranks < 10), DISCOUNT[np.clip(ranks, 0, 9)], 0.0)


def ndcg_of_graded(worth: Figures, scores: Figures) -> Figures:
    """NDCG@10 of lists (n, n_items) by what each item is worth, 0 or more, and its score; of equal scores the least worth stands above."""
    order = np.lexsort((worth, -scores), axis=1)
    found, best = np.take_along_axis(worth, order, axis=1)[:, :10], -np.sort(-worth, axis=1)[:, :10]
    discount = DISCOUNT[: worth.shape[1]]
    return np.asarray((found * discount).sum(axis=1) / (best * discount).sum(axis=1))


def difference(values: Figures, seed: int) -> dict[str, Any]:
    """The mean of paired differences of NDCG@10, with its 95% interval."""
    return {"ndcg@10": float(values.mean()), "ci95": interval(values, seed)}


def interval(values: Figures, seed: int) -> tuple[float, float]:
    """95% of the means of resampled cases (percentile bootstrap). For a paired difference, `values` are the differences."""
    generator = np.random.default_rng(seed)
    means = [
        values[generator.integers(0, len(values), (_AT_ONCE, len(values)), dtype=np.int32)].mean(axis=1)
        for _ in range(N_RESAMPLES // _AT_ONCE)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def history_slices(cases: list[Case]) -> dict[str, npt.NDArray[np.bool_]]:
    """Which cases have a history of each length: "0", "1-9", ... "200+"; only those that somebody has."""
    lengths = np.array([len(case.history) for case in cases])
    slices = {}
    for low, after in zip(HISTORY_EDGES, (*HISTORY_EDGES[1:], None), strict=True):
        is_in = (lengths >= low) & (lengths < (after or np.inf))
        if is_in.any():
            slices[f"{low}+" if after is None else str(low) if after == low + 1 else f"{low}-{after - 1}"] = is_in
    return slices


def recall_by_age(lists: Ints, cases: list[Case], age_days: Figures, ages: dict[int, str]) -> dict[str, tuple[int, float]]:
    """Of the relevant items of each age: how many there are over all cases, and the share found among the first 20. `age_days` (n_items,),
    NaN where unknown; only ages that there are."""
    wanted = np.concatenate([case.relevant for case in cases])
    is_found = np.concatenate([np.isin(case.relevant, shown[:20]) for case, shown in zip(cases, lists, strict=True)])
    slot = np.where(np.isnan(age_days), 0, np.searchsorted(list(ages), np.nan_to_num(age_days), side="right"))[wanted]
    labels = dict(enumerate(["unknown", *ages.values()]))
    return {label: (int((slot == at).sum()), float(is_found[slot == at].mean())) for at, label in labels.items() if (slot == at).any()}


def _mean_of_first_ten(lists: Ints, values: Figures) -> Figures:
    """NaN for an empty list."""
    shown = lists[:, :10]
    is_item = shown >= 0
    n = is_item.sum(axis=1)
    return np.where(n > 0, (values[shown] * is_item).sum(axis=1) / np.maximum(n, 1), np.nan)
