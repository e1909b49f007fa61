"""What the second stage knows of items, in memory: how they were watched, and what they are."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from app.learn.events import Events, Floats, Ints
from app.learn.positions import positions_in
from app.learn.transitions import Transitions, learn_transitions

# Of a history, what counts as late: what was watched last says what is watched now.
LATE = 30
MAX_GENRES, MAX_PEOPLE = 64, 8


@dataclass(frozen=True)
class Description:
    """Of one item, as its media server describes it; None where it doesn't say. `runtime` in minutes, `added_at` in seconds since 1970."""

    year: float | None
    community_rating: float | None
    vote_count: float | None
    runtime: float | None
    added_at: float | None
    is_series: bool
    genres: Sequence[str]
    people: Sequence[str]


@dataclass(frozen=True)
class ItemFacts:
    """`item_ids` (n,) rise. All else has n + 1 rows, the last of which stands for every item that is not known: NaN, or 0 for counts.

    `genres` (n + 1, n_genres) are unit rows or zeros; `people` (n + 1, MAX_PEOPLE) numbers of names, -1 where there are no more.
    """

    item_ids: Ints
    n_users: Floats
    n_late: Floats
    mean_rating: Floats
    year: Floats
    community_rating: Floats
    vote_count: Floats
    runtime: Floats
    added_at: npt.NDArray[np.float64]
    is_series: Floats
    genres: Floats
    people: npt.NDArray[np.int32]
    transitions: Transitions

    def positions(self, item_ids: npt.NDArray[np.int64]) -> Ints:
        """-1, the last row, for those that are not known."""
        return positions_in(self.item_ids, item_ids)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """By name, as `from_arrays` takes them."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "transitions"}
        return own | {f"transitions_{field.name}": getattr(self.transitions, field.name) for field in fields(self.transitions)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]]) -> "ItemFacts":
        counted = Transitions(**{field.name: arrays[f"transitions_{field.name}"] for field in fields(Transitions)})
        return cls(**{field.name: arrays[field.name] for field in fields(cls) if field.name != "transitions"}, transitions=counted)


def item_facts(events: Events, item_ids: npt.NDArray[np.int64], described: Sequence[Description | None]) -> ItemFacts:
    """Of the items at the positions of `events`, from what was watched and from what is said of them; None: nothing is said."""
    counted = events.rows(events.weights > 0)
    rated = counted.rows(~np.isnan(counted.ratings))
    n = events.n_items
    n_rated = np.bincount(rated.items, minlength=n)
    left = np.searchsorted(counted.users, counted.users, side="right") - np.arange(len(counted)) - 1
    columns = {
        "n_users": np.bincount(counted.items, minlength=n),
        "n_late": np.bincount(counted.items[left < LATE], minlength=n),
        "mean_rating": np.where(n_rated > 0, np.bincount(rated.items, rated.ratings, minlength=n) / np.maximum(n_rated, 1), np.nan),
    }
    for name in ("year", "community_rating", "vote_count", "runtime", "added_at", "is_series"):
        said = [None if one is None else getattr(one, name) for one in described]
        columns[name] = np.array([np.nan if value is None else value for value in said], dtype=np.float64)
    counts = {"n_users", "n_late"}
    whole: dict[str, Any] = {
        name: np.append(values, 0.0 if name in counts else np.nan).astype(np.float64 if name == "added_at" else np.float32)
        for name, values in columns.items()
    }
    genres, people = _genres(described), _people(described)
    return ItemFacts(np.asarray(item_ids, dtype=np.int64), **whole, genres=genres, people=people, transitions=learn_transitions(events))


def _genres(described: Sequence[Description | None]) -> Floats:
    names = [() if one is None else one.genres for one in described]
    known, counts = np.unique([name for of_item in names for name in of_item], return_counts=True)
    kept = known[np.lexsort((known, -counts))[:MAX_GENRES]].tolist()
    column = {name: number for number, name in enumerate(kept)}
    found = np.zeros((len(names) + 1, len(column)), dtype=np.float32)
    for row, of_item in enumerate(names):
        found[row, [column[name] for name in of_item if name in column]] = 1
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6), dtype=np.float32)


def _people(described: Sequence[Description | None]) -> npt.NDArray[np.int32]:
    numbers: dict[str, int] = {}
    found = np.full((len(described) + 1, MAX_PEOPLE), -1, dtype=np.int32)
    for row, one in enumerate(described):
        names = list(dict.fromkeys(() if one is None else one.people))[:MAX_PEOPLE]
        found[row, : len(names)] = [numbers.setdefault(name, len(numbers)) for name in names]
    return found
