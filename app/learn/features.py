"""What the second stage sees of a candidate: defined once, for a request and for a moment of the past alike.

A row of features belongs to one candidate of one list. `NAMES` says what each column is; NaN where it is not known.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.learn.events import Floats
from app.learn.item_facts import ItemFacts
from app.learn.transitions import WINDOWS

# Of a history, how many of the latest titles are looked at, by each candidate's nearness to them in the space learned from behaviour, in
# text, and by what followed them.
N_RECENT, N_NEAR, N_NEAR_TEXT = 30, 10, 3
SUMS = (1, 2, 3, 5, 10)


def _names_of(space: str) -> tuple[str, ...]:
    """How near it is, how that stands in this list, and its place in it; the same beside a longer memory; to the last titles, summed."""
    return (
        space, f"{space}_z", f"{space}_rank", f"{space}_long_z", f"{space}_long_rank",
        *(f"{space}_last_{n}" for n in SUMS), f"{space}_last_1_z", f"{space}_last_3_z", f"{space}_last_10_z", f"{space}_fading_z",
    )  # fmt: skip


NAMES = (
    *_names_of("collab"), *_names_of("two_tower"), "text", "text_z", "text_rank", "text_last_1", "text_last_3",
    "found_by_collab", "found_by_two_tower", "found_by_text",
    # How often it followed the last titles, of how often they were watched, and beside how often it is watched itself.
    *(f"next_{n}" for n in WINDOWS), *(f"next_{n}_lift" for n in WINDOWS), "next_3_rank", "next_10_rank", "soon_after_1", "just_after_2",
    "popularity", "popularity_late", "popularity_gap", "mean_rating", "mean_rating_gap",
    "year", "year_gap_1", "year_gap_2", "year_gap_3", "year_z", "year_spread", "community_rating", "vote_count",
    "runtime", "runtime_gap", "genres_1", "genres_10", "genres_30", "people_10", "is_series", "series_share",
    "age_days", "n_watched", "hour", "weekday", "times_shown",
)  # fmt: skip


@dataclass(frozen=True)
class Nearness:
    """In a space learned from behaviour: inner products with the taste (n,) and with its second, longer memory (n,), and with the history
    vector of the k-th latest title (n, N_NEAR). NaN where one of the two has no vector."""

    taste: Floats
    long_term: Floats
    recent: Floats


@dataclass(frozen=True)
class Listed:
    """The candidates of one list and who it is for. All but the last three have n rows.

    `text` and `near_text` (n, N_NEAR_TEXT): as in `Nearness`. `found_by_*`: 1 for what that branch of the search brought. `recent`: the
    latest titles, newest first. `at`: seconds since 1970, NaN where it is not known when it was.
    """

    item_ids: npt.NDArray[np.int64]
    collab: Nearness
    two_tower: Nearness
    text: Floats
    near_text: Floats
    found_by_collab: Floats
    found_by_two_tower: Floats
    found_by_text: Floats
    times_shown: Floats
    recent: npt.NDArray[np.int64]
    n_watched: int
    at: float


def features_of(facts: ItemFacts, listed: Listed) -> Floats:
    """Shape (n, len(NAMES))."""
    here = facts.positions(listed.item_ids)
    recent = facts.positions(listed.recent[:N_RECENT])
    columns = [
        *_nearness(listed.collab),
        *_nearness(listed.two_tower),
        *_text(listed),
        *_followed(facts, here, recent),
        *_facts(facts, here, recent),
        *_moment(facts, here, listed),
    ]
    found = np.empty((len(here), len(NAMES)), dtype=np.float32)
    for number, column in enumerate(columns):
        found[:, number] = column
    return found


Column = npt.NDArray[np.generic] | float


def _nearness(found: Nearness) -> list[Column]:
    if np.isnan(found.taste).all():
        return [np.nan] * len(_names_of(""))
    near = np.nan_to_num(found.recent)
    sums = near.cumsum(axis=1)
    chosen = [sums[:, n - 1] for n in SUMS]
    fading = near @ np.arange(1.0, N_NEAR + 1, dtype=np.float32) ** -1.5
    return [
        found.taste, _z(found.taste), _rank(found.taste), _z(found.long_term), _rank(found.long_term),
        *chosen, _z(chosen[0]), _z(chosen[2]), _z(chosen[4]), _z(fading),
    ]  # fmt: skip


def _text(listed: Listed) -> list[Column]:
    near = np.nan_to_num(listed.near_text)
    return [
        listed.text, _z(listed.text), _rank(listed.text), near[:, 0], near.sum(axis=1),
        listed.found_by_collab, listed.found_by_two_tower, listed.found_by_text,
    ]  # fmt: skip


def _followed(facts: ItemFacts, here: npt.NDArray[np.int64], recent: npt.NDArray[np.int64]) -> list[Column]:
    recent = recent[: WINDOWS[-1]]
    # (m, n, n_windows), of how often the earlier one was watched.
    shares = facts.transitions.between(recent, here) / np.maximum(facts.n_users[recent], 1)[:, None, None]
    within = [shares[:window, :, column].sum(axis=0) for column, window in enumerate(WINDOWS)]
    usual = 1 / np.sqrt(np.maximum(facts.n_users[here], 1))
    soon, just = shares[:1, :, 1].sum(axis=0), shares[:2, :, 0].sum(axis=0)
    return [*within, *(share * usual for share in within), _rank(within[1]), _rank(within[2]), soon, just]


def _facts(facts: ItemFacts, here: npt.NDArray[np.int64], recent: npt.NDArray[np.int64]) -> list[Column]:
    last = recent[:10]
    popularity, usual_popularity = np.log1p(facts.n_users[here]), _mean(np.log1p(facts.n_users[last]))
    year, last_years, rating = facts.year[here], facts.year[last], facts.mean_rating[here]
    gaps: list[Column] = [np.abs(year - last_years[n]) if n < len(last) else np.nan for n in range(3)]
    spread = _spread(last_years)
    genres = facts.genres[here]
    people = facts.people[here]
    return [
        popularity, np.log1p(facts.n_late[here]) - popularity, popularity - usual_popularity,
        rating, rating - _mean(facts.mean_rating[last]),
        year, *gaps, (year - _mean(last_years)) / (spread + 1), spread, facts.community_rating[here], np.log1p(facts.vote_count[here]),
        facts.runtime[here], facts.runtime[here] - _mean(facts.runtime[last]),
        *(genres @ facts.genres[recent[:n]].sum(axis=0) / max(len(recent[:n]), 1) for n in (1, 10, N_RECENT)),
        (np.isin(people, facts.people[last]) & (people >= 0)).sum(axis=1), facts.is_series[here], _mean(facts.is_series[last]),
    ]  # fmt: skip


def _moment(facts: ItemFacts, here: npt.NDArray[np.int64], listed: Listed) -> list[Column]:
    days = np.maximum(listed.at - facts.added_at[here], 0) / 86_400
    hour, weekday = listed.at % 86_400 // 3_600, (listed.at // 86_400 + 3) % 7
    return [days, np.log1p(listed.n_watched), hour, weekday, listed.times_shown]


def _z(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Standard scores in the list; what is not known stays so."""
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    return np.asarray((values - known.mean()) / (known.std() + 1e-9))


def _rank(values: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Places from 0, the largest first, unknown last, equal ones in the order of the list."""
    places = np.empty(len(values), dtype=np.int64)
    places[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return places


def _mean(values: npt.NDArray[np.floating]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _spread(values: npt.NDArray[np.floating]) -> float:
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else np.nan
