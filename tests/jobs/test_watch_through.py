"""What counts as shown, and what as watched."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from app.db import Engine
from app.db.watch_through import CountState
from app.types import Server, unseen
from jobs.prune import prune
from jobs.watch_through import count_watch_through, days_to_count
from tests.db.household import House, episode, film, play, series, signal, user
from tests.db.shown import Shown

TODAY = date(2026, 5, 20)
NOW = datetime.combine(TODAY, time(21), UTC)
KEPT_DAYS = 90
BY_SOURCE = "source, row_id, model_id, rank, n_shown, n_watched"


def at(days_ago: float, hour: int = 20) -> datetime:
    return datetime.combine(TODAY, time(hour), UTC) - timedelta(days=days_ago)


class Evening(Shown):
    """Ada, Bo and three films and a series; what was shown to them is counted at NOW, or later."""

    def __init__(self, engine: Engine, server: Server) -> None:
        super().__init__(engine, server)
        self.house = House(engine, server.id)
        self.house.items(*(film(f"f{number}", f"Film f{number} of its own") for number in range(6)))
        self.house.items(series("s"), *(episode(f"e{number}", "s", number) for number in range(1, 4)))
        self.house.users(user("ada"), user("bo"))

    def watch(self, who: str, what: str, when: datetime) -> None:
        self.house.plays(play(who, what, f"{who} {what} {when}", started_at=when.isoformat(), percent=100))

    def count(self, days_later: int = 0) -> list[tuple[Any, ...]]:
        """(rank, n_shown, n_watched) of all days, each showing once."""
        count_watch_through(self.engine, self.server, KEPT_DAYS, NOW + timedelta(days=days_later), unseen)
        return [row[3:] for row in self.rows("watch_through", BY_SOURCE) if row[0] == "any"]


@pytest.fixture
def evening(engine: Engine, server: Server) -> Evening:
    return Evening(engine, server)


def test_watched_is_what_the_same_user_began_within_14_days_of_seeing_it(evening: Evening) -> None:
    evening.watch("ada", "f0", at(11))
    evening.show("ada", at(10), "f0", "f1", "f2", "f3", "f4")
    evening.show("bo", at(60), "f5")
    evening.watch("ada", "f1", at(10, hour=21))
    evening.watch("ada", "f2", at(0))
    evening.watch("bo", "f3", at(9))
    evening.watch("ada", "f5", at(9))
    evening.watch("bo", "f5", at(45))
    # Of f0, begun before, nothing more was seen; f3 was Bo's; f5 was not shown to Ada, and came too late for Bo.
    assert evening.count() == [(1, 1, 0), (1, 1, 0), (2, 1, 1), (3, 1, 1), (4, 1, 0), (5, 1, 0)]


def test_a_title_counts_once_a_day_and_row_at_its_best_rank_from_its_first_showing(evening: Evening) -> None:
    evening.show("ada", at(3, hour=8), "f0", "f1", "f2", model_id=7)
    evening.watch("ada", "f2", at(3, hour=9))
    evening.show("ada", at(3, hour=10), "f2", "f0", "f1", model_id=8)
    evening.show("ada", at(3, hour=11), "f2", row_id="popular")
    evening.show("bo", at(3, hour=11), "f2")
    evening.show("ada", at(2), "f0")
    evening.count()
    assert [row[1:] for row in evening.rows("watch_through", BY_SOURCE) if row[0] == "any"] == [
        ("popular", 0, 1, 1, 0),
        ("recommendations", 0, 1, 1, 0),
        ("recommendations", 0, 1, 1, 0),
        ("recommendations", 7, 1, 1, 0),
        ("recommendations", 7, 2, 1, 0),
        ("recommendations", 8, 1, 1, 1),
    ]


def test_an_item_counts_for_each_source_that_found_it_and_once_for_any(evening: Evening) -> None:
    evening.show("ada", at(1), "f0", sources="collab+text")
    evening.show("ada", at(1), "f1", sources="text")
    evening.show("bo", at(1), "f1", sources="")
    evening.show("bo", at(1), "f2", sources=None)
    evening.watch("ada", "f0", at(0))
    evening.count()
    counted: dict[str, list[int]] = {}
    for source, _, _, _, n_shown, n_watched in evening.rows("watch_through", BY_SOURCE):
        total = counted.setdefault(source, [0, 0])
        counted[source] = [total[0] + n_shown, total[1] + n_watched]
    assert counted == {"any": [4, 1], "collab": [1, 1], "text": [2, 1]}


def test_going_on_with_what_was_begun_before_counts_where_it_was_shown(evening: Evening) -> None:
    evening.watch("ada", "e1", at(9))
    evening.watch("bo", "e1", at(9))
    for who in ("ada", "bo"):
        evening.show(who, at(8), "s", row_id="continue")
    evening.watch("ada", "e2", at(7))
    assert evening.count() == [(1, 2, 1)]


def test_deep_ranks_count_as_one(evening: Evening) -> None:
    evening.show("ada", at(1), "f0", "f1", "f2", first_rank=99)
    assert evening.count() == [(99, 1, 0), (100, 2, 0)]


def test_who_opted_out_or_was_erased_does_not_count(evening: Evening) -> None:
    for who in ("ada", "bo"):
        evening.show(who, at(1), "f0")
        evening.watch(who, "f0", at(0))
    assert evening.count() == [(1, 2, 2)]
    evening.house.users(user("ada", opted_out=True))
    assert evening.count() == [(1, 1, 1)]
    evening.house.erase("bo")
    assert evening.count() == []


def test_counting_again_changes_nothing_until_something_was_watched(evening: Evening) -> None:
    evening.show("ada", at(1), "f0", "f1")
    first = evening.count()
    assert evening.count() == evening.count(1) == first == [(1, 1, 0), (2, 1, 0)]
    evening.watch("ada", "f1", at(0, hour=22))
    assert evening.count(1) == [(1, 1, 0), (2, 1, 1)]
    evening.house.signals(signal("ada", "f1", "unwatched", at=at(0, hour=23).isoformat()))
    assert evening.count(1) == first


def test_what_was_counted_outlives_its_slates(evening: Evening) -> None:
    evening.show("ada", at(0), "f0")
    evening.watch("ada", "f0", at(-1))
    assert evening.count(15) == [(1, 1, 1)]
    assert prune(evening.engine, evening.server, KEPT_DAYS, NOW + timedelta(days=91)) == 1
    assert evening.count(92) == [(1, 1, 1)]
    assert evening.count(401) == []


def test_servers_are_counted_apart(evening: Evening, make_server: Any) -> None:
    other = Evening(evening.engine, make_server())
    other.show("ada", at(1), "f0")
    assert evening.count() == []
    assert other.count() == [(1, 1, 0)]
    evening.count()
    assert len(other.rows("watch_through", "day")) == 2


def days(*ago: int) -> list[date]:
    return [TODAY - timedelta(days=one) for one in ago]


@pytest.mark.parametrize(
    ("counted", "first", "expected"),
    [
        # Never counted: from the first slate, as far as they are kept.
        (None, None, days(0)),
        (None, 2, days(2, 1, 0)),
        (None, 1000, days(*range(29, -1, -1))),
        # The window of what was shown 15 days ago closed last night; those nights that were missed are made up for.
        (0, 29, days(*range(15, -1, -1))),
        (4, 29, days(*range(19, -1, -1))),
        (400, 29, days(*range(29, -1, -1))),
        # A clock that went back.
        (-3, 29, days(*range(15, -1, -1))),
    ],
)
def test_days_that_may_have_changed_are_counted(counted: int | None, first: int | None, expected: list[date]) -> None:
    state = CountState(*(None if ago is None else TODAY - timedelta(days=ago) for ago in (counted, first)))
    assert days_to_count(state, TODAY, kept_days=30) == expected
