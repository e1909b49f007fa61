"""What an item's engagement says about a taste."""

from typing import Any

import numpy as np
import pytest

from app.taste.history import History
from app.taste.profile import taste_of
from app.taste.recipes import Recipe
from app.taste.watching import WatchingWeights
from app.taste.weights import PalateWeights

NOW = 1_800_000_000.0
DAY = 86_400.0
PALATE = PalateWeights()
RECIPE = Recipe("palate", PALATE)
NONE = {
    "is_series": False, "n_plays": 1, "n_episodes": 0, "completion": np.nan, "played_ratio": np.nan, "rating": np.nan,
    "last_at": NOW - 30 * DAY, "last_order": np.nan, "first_at": np.nan, "first_order": np.nan,
    "is_favourite": False, "liking": 0, "is_watchlisted": False, "is_hidden": False, "is_seen": True,
}  # fmt: skip


def history(*items: dict[str, Any]) -> History:
    rows = [NONE | item for item in items]
    columns = {name: np.array([row[name] for row in rows]) for name in NONE}
    return History(item_ids=np.arange(len(rows)), **columns)


def weight(**item: Any) -> float:
    return float(PALATE.weigh(history(item), NOW)[0][0])


def test_a_whole_film_draws_more_than_half_of_one() -> None:
    assert weight(completion=1.0) > weight(completion=0.5) > 0


def test_a_bounce_pushes_away_and_fades() -> None:
    recent, old = weight(completion=0.04, last_at=NOW - 10 * DAY), weight(completion=0.04, last_at=NOW - 800 * DAY)
    assert recent < 0
    assert recent < old < 0


def test_a_title_just_started_is_in_progress_and_not_disliked() -> None:
    weights, due_at = PALATE.weigh(history({"completion": 0.04, "last_at": NOW - DAY}), NOW)
    assert weights[0] >= 0
    assert due_at == NOW - DAY + PALATE.grace_days * DAY
    assert PALATE.weigh(history({"completion": 0.04, "last_at": NOW - DAY}), due_at)[0][0] < 0


def test_unknown_completion_is_neutral_and_no_bounce() -> None:
    assert 0 < weight(completion=np.nan) < weight(completion=1.0)


def test_a_good_rating_draws_and_a_bad_one_pushes() -> None:
    assert weight(rating=10) > weight(rating=7) > 0 > weight(rating=2)


def test_a_series_weighs_by_its_episodes_up_to_five_and_a_long_one_no_more_than_a_film() -> None:
    one, five, hundred = (weight(is_series=True, n_episodes=n, n_plays=n, completion=1.0) for n in (1, 5, 100))
    assert 0 < one < five == hundred == pytest.approx(weight(completion=1.0))


def test_watching_again_adds_a_bounded_bonus() -> None:
    once, twice, often = (weight(completion=1.0, n_plays=n) for n in (1, 2, 50))
    assert once < twice < often < 1.5 * once


def test_a_favourite_adds_and_a_dislike_or_hiding_is_negative_whatever_else_is_known() -> None:
    assert weight(completion=1.0, is_favourite=True) > weight(completion=1.0)
    assert weight(completion=1.0, liking=-1) < 0
    assert weight(rating=10, is_hidden=True) < 0


def test_the_watch_list_counts_although_nothing_was_seen() -> None:
    assert weight(is_seen=False, n_plays=0) == 0
    assert weight(is_seen=False, n_plays=0, is_watchlisted=True) > 0


def test_what_nobody_knows_the_time_of_weighs_alike_and_less_than_what_is_known() -> None:
    items = [{"last_at": np.nan, "completion": 1.0}] * 3 + [{"last_at": NOW, "completion": 1.0}]
    weights = PALATE.weigh(history(*items), NOW)[0]
    assert weights[0] == weights[1] == weights[2] < weights[3]


def test_newer_weighs_more_by_time_and_where_there_is_none_by_order() -> None:
    by_time = PALATE.weigh(history({"last_at": NOW - DAY}, {"last_at": NOW - 2 * DAY}), NOW)[0]
    by_order = PALATE.weigh(history({"last_at": np.nan, "last_order": 1}, {"last_at": np.nan, "last_order": 2}), NOW)[0]
    assert by_time[0] > by_time[1]
    assert by_order[1] > by_order[0]


def test_yesterdays_change_of_taste_beats_last_years() -> None:
    vectors = np.eye(2, dtype=np.float32)
    rows = [{"completion": 1.0, "last_at": NOW - (400 + n) * DAY} for n in range(10)] + [
        {"completion": 1.0, "last_at": NOW - n * DAY} for n in range(5)
    ]
    taste = taste_of(RECIPE, history(*rows), vectors, np.array([0] * 10 + [1] * 5), NOW)
    assert taste.vector is not None
    assert taste.vector[1] > taste.vector[0] > 0


def test_an_all_negative_history_gives_no_taste() -> None:
    taste = taste_of(RECIPE, history({"rating": 1}, {"liking": -1}), np.eye(2, dtype=np.float32), np.array([0, 1]), NOW)
    assert taste.vector is None
    assert len(taste.heaviest) == 0


def test_an_empty_history_gives_no_taste() -> None:
    none = History(**{name: np.array([]) for name in ("item_ids", *NONE)})
    assert taste_of(RECIPE, none, np.empty((0, 2), dtype=np.float32), np.array([], dtype=np.int64), NOW).vector is None


def test_the_same_moment_gives_the_same_taste() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((50, 8)).astype(np.float32)
    rows = [{"completion": float(random.uniform()), "last_at": NOW - float(random.uniform(0, 500)) * DAY} for _ in range(50)]
    first, second = (taste_of(RECIPE, history(*rows), vectors, np.arange(50), NOW) for _ in range(2))
    assert first.vector is not None
    assert second.vector is not None
    assert (first.vector == second.vector).all()


def test_in_what_was_learned_a_series_counts_where_it_was_begun_and_ages_from_when_it_was_watched() -> None:
    begun = {"is_series": True, "n_episodes": 30, "first_at": NOW - 200 * DAY, "last_at": NOW, "completion": 1.0}
    film = {"last_at": NOW - 100 * DAY, "first_at": NOW - 300 * DAY, "completion": 1.0}
    watching = WatchingWeights()
    series_weight, film_weight = watching.weigh(history(begun, film), NOW)[0]
    assert series_weight == pytest.approx(2**-watching.order_decay)
    assert film_weight == pytest.approx(0.5 ** (100 / watching.half_life_days))
    assert np.argmax(PALATE.weigh(history(begun, film), NOW)[0]) == 0
