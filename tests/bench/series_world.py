"""How a series counts beside films in what is learned from what people watched after what: a planted world of both.

    python -m tests.bench.series_world [--users 1500] [--json FILE]

1,200 films and 400 series of 6 to 100 episodes; people watch in evenings, a film or some episodes of what they are at. A series is gone
on with, dropped after some episodes, or left after the first. What is begun next follows, in four worlds: the interest of the moment, which
drifts while a series that was begun in another goes on; what was begun last; what was finished last; or what is being watched. The last
tenth of each one's titles, by when they were begun, is held out at one moment of theirs, without those that were left at once.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.learn.events import Case, Events, Floats, Ints, recency
from app.learn.metrics import Figures, accuracy, interval
from app.learn.next_item import Parameters, learn
from app.learn.ranking import histories, ranked
from tests.bench.series_planted import FOLLOWED, Plays, plant

PARAMETERS = Parameters(rank=256, ridge=50.0, item_ridge=100.0)
# What a whole series is in episodes: `app.taste.weights`.
FULL_EPISODES, BOUNCE = 5.0, 0.1
RULES = ("once, at its last play", "once, where it was begun", "at both, half each", "each season", "each sitting", "each episode")
DECAYS = (0.5, 0.7, 1.1)


@dataclass(frozen=True)
class Rows:
    """What a rule makes of plays, one row an event, by user and oldest first."""

    users: Ints
    items: Ints
    weights: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for followed in FOLLOWED:
        plays = plant(followed, arguments.users, seed=0)
        known, relevant = split(plays)
        today = measured(known, relevant, RULES[0], PARAMETERS)
        for rule, decay in [(rule, PARAMETERS.order_decay) for rule in RULES] + [(RULES[1], decay) for decay in DECAYS]:
            found = measured(known, relevant, rule, replace(PARAMETERS, order_decay=decay))
            low, high = interval(found - today, 0)
            rows.append(
                {"next follows": followed, "a series counts": rule, "decay": decay, "ndcg@10": float(found.mean()), "minus": (low, high)}
            )
            print(f"{followed:<24} {rule:<26} k^-{decay} {found.mean():.4f} ({low:+.4f} to {high:+.4f})")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def split(plays: Plays) -> tuple[Plays, dict[int, Ints]]:
    """What was played before each one's moment, and what they began after it."""
    title = Titles.of(plays)
    rank = np.lexsort((title.first, title.users))
    n_of_user = np.bincount(title.users)
    from_end = np.cumsum(n_of_user)[title.users[rank]] - 1 - np.arange(len(rank))
    held = np.zeros(len(rank), dtype=np.bool_)
    held[rank] = from_end < np.maximum(1, n_of_user[title.users[rank]] // 10)
    moment = np.full(len(n_of_user), np.inf)
    np.minimum.at(moment, title.users[held], title.first[held])
    wanted = held & (title.share * np.where(plays.is_series[title.items], np.minimum(title.n_parts / 2, 1), 1) >= 0.3)
    relevant = {user: title.items[wanted & (title.users == user)] for user in np.unique(title.users[wanted]).tolist()}
    return plays.rows(plays.at < moment[plays.users]), relevant


@dataclass(frozen=True)
class Titles:
    """One row for each title of each user: `share` of a part that was watched on average."""

    users: Ints
    items: Ints
    first: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    n_parts: Ints
    share: npt.NDArray[np.float64]

    @classmethod
    def of(cls, plays: Plays, group: Ints | None = None) -> "Titles":
        """`group`: what of a title counts by itself."""
        keys = np.stack([plays.users, plays.items, np.zeros_like(plays.items) if group is None else group], axis=1)
        found, row = np.unique(keys, axis=0, return_inverse=True)
        first, last = np.full(len(found), np.inf), np.full(len(found), -np.inf)
        np.minimum.at(first, row.ravel(), plays.at)
        np.maximum.at(last, row.ravel(), plays.at)
        n_parts = np.bincount(row.ravel())
        return cls(found[:, 0], found[:, 1], first, last, n_parts, np.bincount(row.ravel(), plays.share) / n_parts)


def events_by(plays: Plays, rule: str) -> Rows:
    starts = (plays.users[1:] != plays.users[:-1]) | (plays.items[1:] != plays.items[:-1])
    groups = {
        "each season": plays.parts // 10,
        "each sitting": np.cumsum(np.concatenate([[True], starts])),
        "each episode": plays.parts,
    }
    title = Titles.of(plays, groups.get(rule))
    full = FULL_EPISODES if rule not in ("each sitting", "each episode") else 1.0
    depth = np.where(plays.is_series[title.items], np.minimum(title.n_parts / full, 1), 1)
    weights = np.where((title.n_parts <= 1) & (title.share < BOUNCE), 0, title.share * depth)
    at, users, items = title.first if rule == RULES[1] else title.last, title.users, title.items
    if rule == RULES[2]:
        at, weights = np.concatenate([title.first, title.last]), np.concatenate([weights, weights]) / 2
        users, items = np.concatenate([users, users]), np.concatenate([items, items])
    oldest_first = np.lexsort((items, at, users))
    return Rows(users[oldest_first], items[oldest_first], weights[oldest_first].astype(np.float32))


def measured(known: Plays, relevant: dict[int, Ints], rule: str, parameters: Parameters) -> Figures:
    """NDCG@10 of each user who began something since."""
    rows = events_by(known, rule)
    ratings = np.full(len(rows.users), np.nan, dtype=np.float32)
    vectors = learn(Events(rows.users, rows.items, ratings, rows.weights, int(known.users.max()) + 1, known.n_items), parameters)
    of_user = [slice(*np.searchsorted(rows.users, [user, user + 1])) for user in relevant]
    cases = [Case(user, rows.items[mine], ratings[mine], wanted) for mine, (user, wanted) in zip(of_user, relevant.items(), strict=True)]
    weight_of = {user: rows.weights[mine] for user, mine in zip(relevant, of_user, strict=True)}

    def weigh(case: Case) -> Floats:
        return np.asarray(recency(len(case.history), 0, parameters.order_decay) * weight_of[case.user], dtype=np.float32)

    def score(batch: list[Case]) -> Floats:
        return np.asarray((histories(batch, known.n_items, weigh) @ vectors.history) @ vectors.target.T, dtype=np.float32)

    lists = ranked(score, np.zeros(known.n_items, dtype=np.float32), cases, 10)
    return accuracy(lists, cases, known.n_items).ndcg_10


if __name__ == "__main__":
    main()
