"""Signals: what a user says of an item, and takes back."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from tests.db.household import DAY_ONE, Body, House, counts, day, episode, film, rejected, series, signal, user

NOTHING: Body = {
    "rating": None, "is_favourite": False, "is_liked": None, "is_watchlisted": False, "is_hidden": False, "is_seen": False,
    "n_plays": 0, "n_episodes": 0, "completion": None, "last_at": None, "last_order": None,
}  # fmt: skip


@pytest.fixture
def house(house: House) -> House:
    house.users(user("ada"), user("bo"))
    house.items(film("heat"), film("ronin"), series("s"), episode("e1", "s", 1), episode("e2", "s", 2))
    return house


def said(house: House, item_id: str = "heat") -> Body:
    """What ada's engagement says beyond nothing."""
    row = house.engagement("ada", item_id) or NOTHING
    return {name: row[name] for name in NOTHING if row[name] != NOTHING[name]}


@pytest.mark.parametrize(
    ("kind", "value", "becomes"),
    [
        ("rating", 8, {"rating": 8, "is_seen": True}), ("rating", 0, {"rating": 0, "is_seen": True}),
        ("favourite", True, {"is_favourite": True}), ("favourite", None, {"is_favourite": True}), ("like", None, {"is_liked": True}),
        ("dislike", True, {"is_liked": False}), ("watchlist", True, {"is_watchlisted": True}), ("hide", None, {"is_hidden": True}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_timed", [False, True])
def test_what_is_said_stands_and_can_be_taken_back(house: House, kind: str, value: Any, becomes: Body, is_timed: bool) -> None:
    first, second = ({"at": day(0)}, {"at": day(1)}) if is_timed else ({}, {})
    assert counts(house.signals(signal("ada", "heat", kind, value, **first))) == (1, 0, 0)
    timed = {"last_at": DAY_ONE} if is_timed and kind == "rating" else {}
    assert said(house) == becomes | timed
    house.signals(signal("ada", "heat", kind, False, **second))
    assert house.engagement("ada", "heat") is None


def test_the_same_signals_again_change_nothing(house: House) -> None:
    signals = [signal("ada", "heat", "rating", 7.5), signal("ada", "e1", "like", at=day(0)), signal("ada", "s", "hide", signal_id="x")]
    assert counts(house.signals(*signals)) == (3, 0, 0)
    before = house.state()
    assert counts(house.signals(*signals)) == (0, 0, 3)
    assert counts(house.signals(*reversed(signals), *signals)) == (0, 0, 6)
    assert house.state() == before


@pytest.mark.parametrize("has_ids", [False, True])
def test_without_times_the_last_to_come_stands(house: House, has_ids: bool) -> None:
    for number, (kind, liked) in enumerate([("like", True), ("dislike", False), ("like", True)]):
        house.signals(signal("ada", "heat", kind, **({"signal_id": str(number)} if has_ids else {})))
        assert said(house) == {"is_liked": liked}


def test_without_times_or_ids_the_last_of_a_call_stands(house: House) -> None:
    house.signals(*(signal("ada", "heat", kind) for kind in ("like", "dislike", "like", "dislike")))
    assert said(house) == {"is_liked": False}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_without_times_the_last_of_a_call_stands_whatever_the_ids(house: House, order: tuple[int, ...]) -> None:
    house.signals(*(signal("ada", "heat", "rating", number, signal_id=f"signal {number}") for number in order))
    assert said(house) == {"rating": order[-1], "is_seen": True}


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("is_one_call", [True, False])
def test_the_later_by_time_stands_whatever_the_order_of_arrival(house: House, order: tuple[int, ...], is_one_call: bool) -> None:
    news = [signal("ada", "heat", kind, at=day(number)) for number, kind in enumerate(["like", "dislike", "like"])]
    news += [signal("ada", "heat", "rating", value, at=day(number)) for number, value in enumerate([3, False, 9])]
    arriving = [news[index + offset] for index in order for offset in (0, 3)]
    for call in [arriving] if is_one_call else [[one] for one in arriving]:
        house.signals(*call)
    assert said(house) == {"is_liked": True, "rating": 9, "is_seen": True, "last_at": DAY_ONE + timedelta(days=2)}


def test_of_two_at_one_time_the_higher_order_stands(house: House) -> None:
    house.signals(*(signal("ada", "heat", "rating", order, at=day(0), order=order) for order in (2, 9, 4)))
    assert said(house)["rating"] == 9


def test_a_word_on_one_subject_leaves_the_others(house: House) -> None:
    house.signals(signal("ada", "heat", "favourite"), signal("ada", "heat", "watchlist"), signal("ada", "heat", "rating", 6))
    house.signals(signal("ada", "heat", "watchlist", False))
    assert said(house) == {"is_favourite": True, "rating": 6, "is_seen": True}
    assert house.engagement("bo", "heat") is None


def test_a_rating_means_seen_and_what_is_taken_back_unsays_it(house: House) -> None:
    house.signals(signal("ada", "heat", "rating", 2, order=5))
    assert said(house) == {"rating": 2, "is_seen": True, "last_order": 5}
    house.signals(signal("ada", "heat", "rating", False, order=6))
    assert said(house) == {}


@pytest.mark.parametrize("kind", ["favourite", "like", "dislike", "watchlist", "hide"])
def test_an_opinion_does_not_mean_seen(house: House, kind: str) -> None:
    house.signals(signal("ada", "heat", kind))
    assert "is_seen" not in said(house)


def test_shown_and_clicked_change_nothing(house: House) -> None:
    house.signals(signal("ada", "heat", "rating", 6, at=day(0)))
    before = house.state()["engagement"]
    assert counts(
        house.signals(*(signal("ada", item, kind, at=day(1)) for item in ("heat", "ronin") for kind in ("shown", "clicked")))
    ) == (4, 0, 0)
    assert house.state()["engagement"] == before
    house.items(film("heat", runtime_seconds=60), film("ronin", runtime_seconds=60))
    assert house.state()["engagement"] == before


def test_a_word_on_the_series_goes_before_one_on_an_episode(house: House) -> None:
    house.signals(signal("ada", "s", "rating", 9, at=day(0)), signal("ada", "e1", "rating", 3, at=day(1)))
    assert said(house, "s")["rating"] == 9
    house.signals(signal("ada", "e1", "hide", at=day(1)))
    assert said(house, "e2")["is_hidden"]


def test_signals_before_their_items_wait(house: House) -> None:
    house.signals(signal("cy", "coming", "hide"))
    assert house.state()["engagement"] == []
    house.items(film("coming"))
    row = house.engagement("cy", "coming")
    assert row is not None
    assert row["is_hidden"]


def test_a_signal_id_used_for_another_item_is_refused_with_its_index(house: House) -> None:
    house.signals(signal("ada", "heat", "like", signal_id="1"))
    assert rejected(house.signals(signal("ada", "heat", "like", signal_id="2"), signal("ada", "ronin", "like", signal_id="1"))) == [1]
    assert house.engagement("ada", "ronin") is None
