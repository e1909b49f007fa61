"""What each part of a text taste is worth on MovieLens 1M: full ranking, seen masked, the last tenth of each history held out.

    python -m tests.bench.text_evaluation ML_FOLDER METADATA.jsonl.gz [--every 1] [--vectors FILE.npy] [--json FILE]

Protocol `unseen-users`: a text taste learns nothing from other users, so its folds matter to popularity alone. Relevant: rated
4 or 5. Candidates, scores and order are computed as the retrieval statement and `app.recommend.select` do, from the same
constants and functions; 95% intervals over users, of differences too.
"""

import argparse
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from app.connect.movielens import read_movielens
from app.db.question import PRIOR_WEIGHT
from app.db.ranking import FACET_QUOTA, FACET_WEIGHT
from app.db.searches import BLOCK, MAX_FACETS
from app.learn.centring import centre_of, centred
from app.learn.text_encoder import TextEncoder, locate_model
from app.learn.text_template import item_text
from app.recommend.select import Selection, franchise_of, vary
from app.taste.history import History
from app.taste.profile import taste_of
from app.taste.recipes import Recipe
from app.taste.weights import PalateWeights

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
DISCOUNT = 1 / np.log2(np.arange(2, 12))
N_FOLDS = 6


@dataclass(frozen=True)
class Library:
    raw: Floats
    vectors: Floats
    prior: Floats
    franchises: list[str]
    genres: list[list[str]]


@dataclass(frozen=True)
class Case:
    """One user: positions and ratings (1..5) of the history, oldest first, and what is to be found."""

    history: Ints
    ratings: Floats
    relevant: Ints
    popularity: Floats


def read(ml: Path, metadata: Path, kept: Path | None) -> tuple[Library, list[Case]]:
    ratings = pl.read_parquet(ml / "ratings.parquet").drop_nulls("seq_in_user").sort(["userId", "seq_in_user"])
    bodies = {row.external_id: json.loads(row.body) for row in read_movielens(ml, metadata).items}
    movies = sorted(set(ratings["movieId"].to_list()))
    chosen = [bodies[str(movie)] for movie in movies]
    raw = _raw([item_text(body) for body in chosen], kept)
    library = Library(
        raw, centred(raw, centre_of(raw))[0].astype(np.float16).astype(np.float32), _prior(chosen),
        [franchise_of(body["name"]) for body in chosen], [body["genres"] for body in chosen],
    )  # fmt: skip
    return library, _cases(ratings, movies)


def _raw(texts: list[str], kept: Path | None) -> Floats:
    if kept is not None and kept.exists():
        return np.asarray(np.load(kept), dtype=np.float32)
    raw = TextEncoder(locate_model("sentence-transformers/all-MiniLM-L6-v2")).encode(texts)
    if kept is not None:
        np.save(kept, raw)
    return raw


def _prior(bodies: list[dict[str, Any]]) -> Floats:
    """As `write_statistics` computes it."""
    votes = np.array([body.get("vote_count") or np.nan for body in bodies], dtype=np.float64)
    rating = np.array([np.nan if body.get("community_rating") is None else body["community_rating"] for body in bodies])
    usual, n_votes = np.nanmean(rating), max(float(np.nanmedian(votes)), 1.0)
    counted = np.where(np.isnan(votes), n_votes, votes)
    quality = (counted * np.where(np.isnan(rating), usual, rating) + n_votes * usual) / (counted + n_votes) / 10
    fame = np.log1p(np.nan_to_num(votes)) / np.log1p(np.nanmax(votes))
    return np.asarray(0.5 * quality + 0.5 * fame, dtype=np.float32)


def _cases(ratings: pl.DataFrame, movies: list[int]) -> list[Case]:
    position = {movie: number for number, movie in enumerate(movies)}
    users = sorted(set(ratings["userId"].to_list()))
    fold = dict(zip(users, (np.random.default_rng(0).permutation(len(users)) % N_FOLDS).tolist(), strict=True))
    items = np.array([position[movie] for movie in ratings["movieId"].to_list()])
    folds = np.array([fold[user] for user in ratings["userId"].to_list()])
    popularity = [np.bincount(items[folds != number], minlength=len(movies)).astype(np.float32) for number in range(N_FOLDS)]
    cases = []
    for (user,), rows in ratings.with_columns(pl.Series("item", items)).group_by("userId", maintain_order=True):
        history, given = rows["item"].to_numpy(), rows["rating"].to_numpy().astype(np.float32)
        n_held = max(1, -(-len(history) // 10))
        held = history[-n_held:][given[-n_held:] >= 4]
        if len(held) and len(history) > n_held:
            cases.append(Case(history[:-n_held], given[:-n_held], held, popularity[fold[int(user)]]))
    return cases


@dataclass(frozen=True)
class Parts:
    """What is on; each row of the report turns one thing."""

    weights: PalateWeights = field(default_factory=PalateWeights)
    prior: float = PRIOR_WEIGHT
    facets: float = FACET_WEIGHT
    selection: Selection = field(default_factory=Selection)


def palate(library: Library, case: Case, parts: Parts) -> Ints:
    """The first ten, as a request would answer."""
    taste = taste_of(Recipe("palate", parts.weights), _history(case), library.vectors, case.history, 0.0)
    if taste.vector is None:
        return _top(library.prior, case, 10)
    whole = library.vectors @ taste.vector
    branches = [whole]
    if parts.facets:
        branches += [library.vectors @ interest.vector for interest in taste.interests[:MAX_FACETS]]
    pool = np.unique(np.concatenate([_top(branch, case, BLOCK) for branch in branches]))
    score = whole[pool] + parts.prior * library.prior[pool]
    if len(branches) > 1:
        score = score + parts.facets * (np.max([branch[pool] for branch in branches[1:]], axis=0) - whole[pool])
    facets = np.argmax([branch[pool] for branch in branches[1:]], axis=0) if len(branches) > 1 else np.full(len(pool), -1)
    best = _window(score, facets)
    pool, score, facets = pool[best], score[best], facets[best]
    order = vary(
        score, library.vectors[pool], [library.franchises[i] for i in pool], [library.genres[i] for i in pool], parts.selection,
        facets.tolist(), [interest.share for interest in taste.interests[:MAX_FACETS]] if len(branches) > 1 else (),
    )  # fmt: skip
    return np.asarray(pool[order[:10]], dtype=np.int64)


def _window(score: Floats, facets: Ints) -> Ints:
    """The first block: the best of each facet, then the best of all; by falling score."""
    is_best = np.zeros(len(score), dtype=bool)
    for facet in np.unique(facets[facets >= 0]):
        members = np.flatnonzero(facets == facet)
        is_best[members[np.argsort(-score[members], kind="stable")[:FACET_QUOTA]]] = True
    chosen = np.lexsort((-score, ~is_best))[:BLOCK]
    return np.asarray(chosen[np.argsort(-score[chosen], kind="stable")], dtype=np.int64)


def _history(case: Case) -> History:
    n = len(case.history)
    unknown, none, zero = np.full(n, np.nan), np.zeros(n, dtype=bool), np.zeros(n)
    return History(
        case.history, none, zero, zero, unknown, unknown, case.ratings.astype(np.float64) * 2, unknown, np.arange(n, dtype=np.float64),
        none, zero, none, none, np.ones(n, dtype=bool),
    )  # fmt: skip


def flat_mean(vectors: Floats, _library: Library, case: Case) -> Ints:
    return _top(vectors @ vectors[case.history].mean(axis=0), case, 10)


def popularity(_library: Library, case: Case) -> Ints:
    return _top(case.popularity, case, 10)


def _top(score: Floats, case: Case, n: int) -> Ints:
    masked = score.astype(np.float32).copy()
    masked[case.history] = -np.inf
    n = min(n, len(masked) - len(case.history))
    best = np.argpartition(-masked, n - 1)[:n]
    return np.asarray(best[np.argsort(-masked[best], kind="stable")], dtype=np.int64)


def rows_to_measure(library: Library) -> dict[str, Callable[[Library, Case], Ints]]:
    plain = Selection(variety=0.0, franchise_cap=None, genre_cap=None, freshness=0.0, balance=0.0)
    base = Parts()
    variants = {
        "text (palate)": base,
        "without prior": replace(base, prior=0.0),
        "without facets": replace(base, facets=0.0),
        "without negatives": replace(base, weights=PalateWeights(worst_rating=0.0, most_negative=0.0)),
        "without recency": replace(base, weights=PalateWeights(order_decay=0.0)),
        "without variety and caps": replace(base, selection=plain),
        "variety 0, cap 2": replace(base, selection=replace(plain, franchise_cap=2)),
        "variety .05, no cap": replace(base, selection=replace(plain, variety=0.05)),
        "variety .1, no cap": replace(base, selection=replace(plain, variety=0.1)),
        "variety .2, no cap": replace(base, selection=replace(plain, variety=0.2)),
        "variety .4, no cap": replace(base, selection=replace(plain, variety=0.4)),
        "balance 0": replace(base, selection=replace(base.selection, balance=0.0)),
        "balance .06": replace(base, selection=replace(base.selection, balance=0.06)),
        "franchise cap 1": replace(base, selection=replace(base.selection, franchise_cap=1)),
        "genre cap .3": replace(base, selection=replace(base.selection, genre_cap=0.3)),
        "genre cap .15": replace(base, selection=replace(base.selection, genre_cap=0.15)),
        "prior .3": replace(base, prior=0.3),
        "prior .8": replace(base, prior=0.8),
    }
    rows: dict[str, Callable[[Library, Case], Ints]] = {
        "popularity": popularity,
        "text (flat mean)": functools.partial(flat_mean, library.raw),
        "text (centred)": functools.partial(flat_mean, library.vectors),
    }
    return rows | {name: functools.partial(palate, parts=parts) for name, parts in variants.items()}


def measure(library: Library, cases: list[Case]) -> list[dict[str, Any]]:
    found: dict[str, npt.NDArray[np.float64]] = {}
    report = []
    for name, recommend in rows_to_measure(library).items():
        slates = [recommend(library, case) for case in cases]
        found[name] = np.array([_ndcg(slate, case.relevant) for slate, case in zip(slates, cases, strict=True)])
        variety = float(np.mean([_variety(library.vectors[slate]) for slate in slates]))
        row: dict[str, Any] = {"recommender": name, "ndcg@10": float(found[name].mean()), "ci95": _interval(found[name])}
        row |= {"coverage@10": len(np.unique(np.concatenate(slates))), "intra_list_distance": variety}
        for other in ("text (centred)", "text (palate)"):
            if other in found and other != name:
                row[f"minus {other}"] = [float((found[name] - found[other]).mean()), *_interval(found[name] - found[other])]
        report.append(row)
        shown = " ".join(f"{key}={_rounded(value)}" for key, value in row.items() if key != "recommender")
        print(f"{name:28s} {shown}", flush=True)  # noqa: T201
    return report


def _rounded(value: Any) -> Any:
    return [round(part, 4) for part in value] if isinstance(value, list) else round(value, 4)


def _ndcg(slate: Ints, relevant: Ints) -> float:
    """Binary, ideal min(10, relevant)."""
    return float((np.isin(slate, relevant) * DISCOUNT[: len(slate)]).sum() / DISCOUNT[: min(10, len(relevant))].sum())


def _variety(vectors: Floats) -> float:
    n = len(vectors)
    return float(1 - ((vectors @ vectors.T).sum() - n) / (n * (n - 1)))


def _interval(values: npt.NDArray[np.float64]) -> list[float]:
    half = 1.96 * values.std() / np.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movielens", type=Path)
    parser.add_argument("metadata", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only each n-th user")
    parser.add_argument("--vectors", type=Path, help="keep raw vectors in this file")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    library, cases = read(arguments.movielens, arguments.metadata, arguments.vectors)
    report = measure(library, cases[:: arguments.every])
    if arguments.json:
        arguments.json.write_text(json.dumps({"n_users": len(cases[:: arguments.every]), "results": report}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
