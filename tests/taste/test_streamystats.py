"""The preset that weighs as Streamystats does: its formulas against numbers worked out by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.connect.bodies import ITEMS, PLAYS, USERS
from app.db import Engine, ingest, servers, tastes
from app.taste.history import DAY, History
from app.taste.recipes import recipe_of
from app.taste.streamystats import StreamystatsWeights
from app.types import Server

NOW = 1_800_000_000.0
NONE = {
    "is_series": False, "n_plays": 1, "n_episodes": 0, "completion": np.nan, "played_ratio": 1.0, "rating": np.nan,
    "last_at": NOW, "last_order": np.nan, "first_at": np.nan, "first_order": np.nan,
    "is_favourite": False, "liking": 0, "is_watchlisted": False, "is_hidden": False, "is_seen": True,
}  # fmt: skip
OTHERS: tuple[dict[str, Any], ...] = ({}, {})


def history(*items: dict[str, Any]) -> History:
    rows = [NONE | item for item in items]
    columns = {name: np.array([row[name] for row in rows], dtype=np.array(none).dtype) for name, none in NONE.items()}
    return History(item_ids=np.arange(len(rows)), **columns)


def weight(**item: Any) -> float:
    """Of this item beside two whole films, as three titles are needed."""
    return float(StreamystatsWeights().weigh(history(item, *OTHERS), NOW)[0][0])


def series(played_ratio: float, n_episodes: int = 5, **more: Any) -> float:
    return weight(is_series=True, n_episodes=n_episodes, n_plays=n_episodes, played_ratio=played_ratio, **more)


FILMS = [
    # played ratio, days ago, weight: ratio * e^(-0.0035 days)
    (1.0, 0, 1.0),
    (0.5, 0, 0.5),
    (0.10, 0, 0.10),
    (0.10, 100, 0.0704688),
    (1.0, 100, 0.7046881),
    (1.0, 365, 0.2787333),
    (1.4, 0, 1.4),
    (1.4, 100, 0.9865633),
    (3.0, 200, 1.4897559),
]


@pytest.mark.parametrize(("played_ratio", "days", "expected"), FILMS)
def test_a_film_weighs_what_was_played_of_it_and_fades_by_the_day(played_ratio: float, days: int, expected: float) -> None:
    assert weight(played_ratio=played_ratio, last_at=NOW - days * DAY) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("days", [0, 1, 30, 400, 4_000])
@pytest.mark.parametrize("played_ratio", [0.0, 0.04, 0.09, 0.0999])
def test_a_film_below_a_tenth_is_a_bounce_that_never_fades(played_ratio: float, days: int) -> None:
    assert weight(played_ratio=played_ratio, last_at=NOW - days * DAY) == -0.3


def test_completion_past_the_end_is_not_capped() -> None:
    assert weight(played_ratio=1.4) == pytest.approx(1.4 * weight(played_ratio=1.0))


@pytest.mark.parametrize("n_episodes", [1, 2, 4, 5, 500])
def test_a_series_at_16_percent_weighs_like_one_watched_whole(n_episodes: int) -> None:
    assert series(0.16, n_episodes) == series(1.0, n_episodes) == pytest.approx(min(n_episodes / 5, 1))


SERIES = [
    # played ratio, episodes, days ago, weight: min(episodes / 5, 1) * max(ratio, 1) * e^(-0.0035 days)
    (0.16, 5, 100, 0.7046881),
    (1.0, 2, 0, 0.4),
    (1.0, 2, 100, 0.2818752),
    (0.15, 5, 0, 1.0),
    (1.4, 5, 0, 1.4),
    (1.4, 2, 0, 0.56),
    (0.149, 5, 0, -0.3),
    (0.149, 500, 400, -0.3),
]


@pytest.mark.parametrize(("played_ratio", "n_episodes", "days", "expected"), SERIES)
def test_a_series_weighs_its_episodes_up_to_five(played_ratio: float, n_episodes: int, days: int, expected: float) -> None:
    assert series(played_ratio, n_episodes, last_at=NOW - days * DAY) == pytest.approx(expected, abs=1e-6)


def test_twelve_percent_of_a_series_is_a_bounce_and_of_a_film_is_not() -> None:
    assert series(0.12) == -0.3
    assert weight(played_ratio=0.12) == pytest.approx(0.12)


def test_an_unknown_running_time_counts_as_a_bounce() -> None:
    assert weight(played_ratio=np.nan) == -0.3
    assert weight(played_ratio=np.nan, completion=1.0) == -0.3
    assert series(np.nan) == -0.3


def test_an_unknown_time_does_not_fade() -> None:
    assert weight(last_at=np.nan) == 1.0


@pytest.mark.parametrize("n_titles", [0, 1, 2])
def test_fewer_than_three_titles_make_no_taste(n_titles: int) -> None:
    weights, due_at = StreamystatsWeights().weigh(history(*[{}] * n_titles), NOW)
    assert weights.tolist() == [0.0] * n_titles
    assert due_at is None


def test_the_third_title_makes_a_taste_and_a_bounce_is_a_title() -> None:
    weights, _ = StreamystatsWeights().weigh(history({}, {}, {"played_ratio": 0.05}), NOW)
    assert weights.tolist() == [1.0, 1.0, -0.3]


SAID = [
    {"rating": 1.0},
    {"rating": 10.0},
    {"is_favourite": True},
    {"liking": 1},
    {"liking": -1},
    {"is_watchlisted": True},
    {"is_hidden": True},
    {"n_plays": 40},
    {"completion": 0.01},
]


@pytest.mark.parametrize("said", SAID)
def test_ratings_likes_favourites_and_the_watch_list_say_nothing(said: dict[str, Any]) -> None:
    assert weight(**said) == weight() == 1.0


@pytest.mark.parametrize("said", [{"rating": 10.0}, {"is_watchlisted": True}, {"is_favourite": True}])
def test_what_was_never_played_has_no_weight_and_is_no_title(said: dict[str, Any]) -> None:
    unplayed = said | {"n_plays": 0, "is_seen": "rating" in said, "played_ratio": np.nan, "last_at": np.nan}
    assert StreamystatsWeights().weigh(history(unplayed, {}, {}), NOW)[0].tolist() == [0.0, 0.0, 0.0]
    assert StreamystatsWeights().weigh(history(unplayed, {}, {}, {}), NOW)[0].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_without_a_bounce_age_changes_no_direction() -> None:
    rows = [{"played_ratio": ratio, "last_at": NOW - days * DAY} for ratio, days in ((1.0, 3), (0.6, 50), (1.2, 700))]
    now, later = (StreamystatsWeights().weigh(history(*rows), NOW + days * DAY)[0] for days in (0, 500))
    assert later / now == pytest.approx(np.full(3, np.exp(-0.0035 * 500)))


def test_a_taste_with_a_bounce_comes_due_as_the_rest_fades_beside_it() -> None:
    """The bounce stays at -0.3 while all else fades: a stored direction grows old, and only `due_at` makes it new."""
    bounced = history({}, {}, {"played_ratio": 0.05})
    _, due_at = StreamystatsWeights().weigh(bounced, NOW)
    now, later = (StreamystatsWeights().weigh(bounced, NOW + days * DAY)[0] for days in (0, 300))
    assert later[2] / later[0] < 2 * now[2] / now[0]
    assert due_at is not None


def test_a_server_may_change_the_constants() -> None:
    changed = StreamystatsWeights(film_bounce=0.2, bounce_weight=-1.0, decay_per_day=0.0, full_episodes=10.0, min_titles=1)
    rows: list[dict[str, Any]] = [{"played_ratio": 0.15}, {"last_at": NOW - 900 * DAY}, {"is_series": True, "n_episodes": 5}]
    assert changed.weigh(history(*rows), NOW)[0].tolist() == [-1.0, 1.0, 0.5]
    assert changed.weigh(history({}), NOW)[0].tolist() == [1.0]


def test_plays_that_were_sent_weigh_by_the_same_formulas(engine: Engine, make_server: Callable[..., Server]) -> None:
    """Twice through a film of 100 minutes is 2.0 of it; 9% is a bounce; without a running time nothing was watched."""
    server = make_server(preset="streamystats")
    now = datetime.fromtimestamp(NOW, UTC)
    items = [{"item_id": name, "type": "movie", "name": name, "runtime_seconds": 6000} for name in ("twice", "bounce")]
    items.append({"item_id": "unknown", "type": "movie", "name": "unknown"})
    plays = [("twice", 0, 6000), ("twice", 1, 6000), ("bounce", 400, 540), ("unknown", 3, 6000)]
    bodies = [
        {"play_id": f"{item} {days}", "user_id": "ada", "item_id": item, "played_seconds": seconds,
         "started_at": (now - timedelta(days=days, seconds=seconds)).isoformat()}
        for item, days, seconds in plays
    ]  # fmt: skip
    with engine.begin() as connection:
        ingest.ingest_items(connection, server.id, ITEMS.read(items)[0])
        ingest.ingest_users(connection, server.id, USERS.read([{"user_id": "ada", "name": "Ada"}])[0])
        ingest.ingest_plays(connection, server.id, "api", PLAYS.read(bodies)[0])
        user_id = servers.find_user_id(connection, server.id, "ada")
        assert user_id is not None
        rows = tastes.read_histories(connection, server.id, [user_id])
    weights, _ = recipe_of(server, "text").weights.weigh(History.from_rows(rows), NOW)
    assert sorted(weights.tolist()) == pytest.approx([-0.3, -0.3, 2.0], abs=1e-6)
