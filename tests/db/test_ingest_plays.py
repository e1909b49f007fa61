"""Plays: told again, told late, told by two doors, taken back; and what is not known stays unknown."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.connect.bodies import PLAYS
from app.db.ingest import ingest_plays
from app.db.servers import recent_history
from tests.db.household import DAY_ONE, Body, House, counts, day, episode, film, play, rejected, series, signal, user

HOUR = 1 / 24


@pytest.fixture
def house(house: House) -> House:
    """With a user, a film of an hour, a film of unknown length and a series of three half hours."""
    house.users(user("ada"), user("bo"))
    house.items(
        film("hour", runtime_seconds=3600),
        film("unknown"),
        series("s"),
        *(episode(f"e{n}", "s", n, runtime_seconds=1800) for n in (1, 2, 3)),
    )
    return house


def row(house: House, item_id: str, user_id: str = "ada") -> Body:
    found = house.engagement(user_id, item_id)
    assert found is not None
    return found


def completion(house: House, item_id: str) -> Any:
    return row(house, item_id)["completion"]


def test_the_same_plays_again_change_nothing(house: House) -> None:
    plays = [play("ada", "hour", started_at=day(0), played_seconds=1800), play("bo", "e1", percent=20.0), play("bo", "later")]
    assert counts(house.plays(*plays)) == (3, 0, 0)
    before = house.state()
    assert counts(house.plays(*plays)) == (0, 0, 3)
    assert counts(house.plays(*plays, *plays)) == (0, 0, 6)
    assert house.state() == before


def test_a_play_grows_while_it_lasts_whatever_news_comes_first(house: House) -> None:
    news = [play("ada", "hour", started_at=day(0), played_seconds=seconds) for seconds in (60, 1800, 3500)]
    assert counts(house.plays(news[0])) == (1, 0, 0)
    assert counts(house.plays(news[2])) == (0, 1, 0)
    assert counts(house.plays(news[1])) == (0, 0, 1)
    assert row(house, "hour")["n_plays"] == 1
    assert completion(house, "hour") == pytest.approx(3500 / 3600)
    assert row(house, "hour")["last_at"] == DAY_ONE + timedelta(seconds=3500)


def test_a_play_that_grows_within_one_call_is_one(house: House) -> None:
    outcome = house.plays(*(play("ada", "hour", played_seconds=seconds) for seconds in (3000, 60)))
    assert (outcome.received, *counts(outcome)) == (2, 1, 0, 1)
    assert completion(house, "hour") == pytest.approx(3000 / 3600)


def test_what_later_news_leave_out_is_kept(house: House) -> None:
    house.plays(play("ada", "hour", started_at=day(0), percent=40.0, completed=True))
    house.plays(play("ada", "hour", played_seconds=5))
    assert (completion(house, "hour"), row(house, "hour")["last_at"]) == (1, DAY_ONE + timedelta(seconds=5))


def test_plays_before_their_items_and_users_wait_and_count_later(house: House) -> None:
    assert counts(house.plays(play("cy", "coming", started_at=day(0)))) == (1, 0, 0)
    assert house.engagement("cy", "coming") is None
    house.items(film("coming"))
    house.users(user("cy"))
    assert row(house, "coming", "cy")["n_plays"] == 1
    assert [one["name"] for one in house.state()["users"] if one["external_id"] == "cy"] == ["Cy"]


@pytest.mark.parametrize("second", ["api", "webhook"])
def test_plays_that_overlap_are_one_sitting_whichever_doors_told_of_them(house: House, second: str) -> None:
    house.plays(play("ada", "hour", "a", started_at=day(0), played_seconds=1800))
    house.plays(play("ada", "hour", "b", started_at=day(HOUR / 3), played_seconds=2400), source=second)
    assert row(house, "hour")["n_plays"] == 1
    assert completion(house, "hour") == pytest.approx(2400 / 3600)


def test_a_chain_of_overlapping_plays_is_one_sitting(house: House) -> None:
    house.plays(play("ada", "hour", "long", started_at=day(0), played_seconds=3600))
    house.plays(*(play("ada", "hour", f"p{n}", started_at=day(n * HOUR / 4), played_seconds=60) for n in range(4)), source="webhook")
    assert row(house, "hour")["n_plays"] == 1


def test_plays_at_different_times_are_two(house: House) -> None:
    house.plays(play("ada", "hour", "a", started_at=day(0), played_seconds=600))
    house.plays(play("ada", "hour", "b", started_at=day(1), played_seconds=600), source="webhook")
    assert row(house, "hour")["n_plays"] == 2
    assert completion(house, "hour") == pytest.approx(1200 / 3600)


def test_overlapping_plays_of_two_users_or_two_episodes_are_two(house: House) -> None:
    house.plays(*(play(who, "e1", started_at=day(0), played_seconds=1800) for who in ("ada", "bo")))
    house.plays(play("ada", "e2", started_at=day(0), played_seconds=1800))
    assert (row(house, "s")["n_plays"], row(house, "s", "bo")["n_plays"]) == (2, 1)


def test_the_same_id_from_two_doors_is_two_plays(house: House) -> None:
    house.plays(play("ada", "hour", "1", started_at=day(0)))
    assert counts(house.plays(play("bo", "unknown", "1", started_at=day(0)), source="webhook")) == (1, 0, 0)


@pytest.mark.parametrize(
    "said",
    [{}, {"started_at": day(0)}, {"played_seconds": 600}, {"completed": False}],
    ids=["nothing", "a time", "seconds of an unknown runtime", "not completed"],
)
def test_an_unknown_completion_is_null(house: House, said: Body) -> None:
    house.plays(play("ada", "unknown", **said))
    assert row(house, "unknown")["n_plays"] == 1
    assert completion(house, "unknown") is None


def test_an_unknown_completion_of_one_episode_does_not_weigh_in_that_of_the_series(house: House) -> None:
    house.plays(play("ada", "e1", percent=50.0), play("ada", "e2"))
    assert (row(house, "s")["n_episodes"], completion(house, "s")) == (2, pytest.approx(0.5))


def test_a_runtime_of_zero_is_unknown(house: House) -> None:
    house.items(film("zero", runtime_seconds=0))
    house.plays(play("ada", "zero", played_seconds=600))
    assert completion(house, "zero") is None


@pytest.mark.parametrize("offset", ["-23:00", "+23:59", "+16:00"])
def test_a_time_with_any_offset_that_is_accepted_can_be_stored(house: House, offset: str) -> None:
    house.plays(play("ada", "hour", started_at=f"2026-03-01T20:15:00{offset}"), play("bo", "hour"))
    assert row(house, "hour")["last_at"] == datetime.fromisoformat(f"2026-03-01T20:15:00{offset}")


def test_a_play_at_the_end_of_time_does_not_make_a_history_unreadable(house: House) -> None:
    late = play("ada", "hour", started_at="9999-12-31T23:00:00Z", played_seconds=7200)
    rows, _, refused = PLAYS.read([late])
    with house.engine.begin() as connection:
        ingest_plays(connection, house.server_id, "api", rows)
        assert len(recent_history(connection, house.server_id, "ada", 5)) == 1 - len(refused)


def test_an_unknown_time_is_null_and_an_order_stands_in_for_it(house: House) -> None:
    house.plays(play("ada", "hour", "a", order=7), play("ada", "hour", "b", order=3))
    assert (row(house, "hour")["last_at"], row(house, "hour")["last_order"], row(house, "hour")["n_plays"]) == (None, 7, 2)


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ({"percent": 0.0}, 0), ({"percent": 25.0}, 0.25), ({"played_seconds": 0}, 0), ({"played_seconds": 900}, 0.25),
        ({"played_seconds": 9000}, 1), ({"completed": True}, 1), ({"completed": True, "percent": 90.0}, 1),
        ({"percent": 10.0, "played_seconds": 1800}, 0.5), ({"completed": False, "percent": 95.0}, 0.95),
    ],
)  # fmt: skip
def test_completion_is_the_most_that_was_said(house: House, said: Body, share: float) -> None:
    house.plays(play("ada", "hour", **said))
    assert completion(house, "hour") == pytest.approx(share)


def test_a_series_counts_distinct_episodes(house: House) -> None:
    house.items(episode("e1 in 4k", "s", 1, runtime_seconds=1800))
    for number, entry in enumerate(["e1", "e1", "e2", "e1 in 4k"]):
        house.plays(play("ada", entry, str(number), started_at=day(number), percent=100.0))
    assert (row(house, "s")["n_plays"], row(house, "s")["n_episodes"]) == (4, 2)


def test_what_is_marked_unwatched_is_taken_back_and_a_later_play_counts_again(house: House) -> None:
    house.plays(play("ada", "hour", "a", started_at=day(0), percent=100.0))
    house.signals(signal("ada", "hour", "unwatched", at=day(1)))
    assert house.engagement("ada", "hour") is None
    house.plays(play("ada", "hour", "b", started_at=day(2), percent=30.0))
    assert (row(house, "hour")["n_plays"], completion(house, "hour")) == (1, pytest.approx(0.3))
    assert row(house, "hour")["is_seen"]


def test_an_unwatched_mark_without_a_time_takes_back_what_was_before_it_came(house: House) -> None:
    house.plays(play("ada", "hour", started_at=day(0)), play("ada", "unknown"))
    house.signals(signal("ada", "hour", "unwatched"), signal("ada", "unknown", "unwatched"))
    assert house.state()["engagement"] == []


def test_one_episode_unwatched_leaves_the_others(house: House) -> None:
    house.plays(*(play("ada", f"e{n}", started_at=day(0), percent=100.0) for n in (1, 2, 3)))
    house.signals(signal("ada", "e2", "unwatched", at=day(1)))
    assert row(house, "s")["n_episodes"] == 2


def test_a_series_unwatched_takes_all_its_episodes_back(house: House) -> None:
    house.plays(*(play("ada", f"e{n}", started_at=day(0), percent=100.0) for n in (1, 2)))
    house.signals(signal("ada", "e3", "watched", at=day(0)), signal("ada", "s", "unwatched", at=day(1)))
    assert house.engagement("ada", "s") is None
    house.signals(signal("ada", "e3", "watched", at=day(2)))
    assert row(house, "s")["n_episodes"] == 1


def test_a_watched_mark_is_seen_and_complete_without_a_play(house: House) -> None:
    house.signals(signal("ada", "unknown", "watched", at=day(3)), signal("ada", "e1", "watched"))
    one = row(house, "unknown")
    assert (one["n_plays"], one["completion"], one["is_seen"], one["last_at"]) == (0, 1, True, DAY_ONE + timedelta(days=3))
    assert (row(house, "s")["n_episodes"], row(house, "s")["is_seen"]) == (1, True)


@pytest.mark.parametrize("kinds", [("watched", "unwatched"), ("unwatched", "watched")])
def test_of_the_marks_the_later_stands_whatever_the_order_of_arrival(house: House, kinds: tuple[str, str]) -> None:
    times = {"watched": day(1), "unwatched": day(2)}
    for kind in kinds:
        house.signals(signal("ada", "hour", kind, at=times[kind]))
    assert house.engagement("ada", "hour") is None


def test_a_play_id_used_for_another_item_or_user_is_refused_with_its_index(house: House) -> None:
    house.plays(play("ada", "hour", "1", started_at=day(0)))
    before = house.state()["engagement"]
    outcome = house.plays(play("ada", "hour", "1", started_at=day(0)), play("ada", "unknown", "1"), play("bo", "hour", "1"))
    assert (rejected(outcome), counts(outcome)) == ([1, 2], (0, 0, 1))
    assert house.state()["engagement"] == before


def test_a_play_id_used_for_two_items_in_one_call_stands_for_the_first(house: House) -> None:
    outcome = house.plays(play("ada", "hour", "1"), play("ada", "unknown", "1"), play("ada", "e1", "2"))
    assert (rejected(outcome), counts(outcome)) == ([1], (2, 0, 0))
    assert house.engagement("ada", "unknown") is None


def test_an_erased_user_stays_erased(house: House) -> None:
    house.erase("ada")
    before = house.state()
    assert rejected(house.users(user("bo"), user("ada"))) == [1]
    assert rejected(house.plays(play("ada", "hour"), play("bo", "hour"))) == [0]
    assert rejected(house.signals(signal("bo", "hour", "hide"), signal("ada", "hour", "hide"))) == [1]
    assert house.engagement("ada", "hour") is None
    assert house.state()["users"] == before["users"]


def test_a_series_was_begun_when_its_first_part_was_in_whatever_order_that_is_told(house: House) -> None:
    house.plays(play("ada", "e2", started_at=day(9), order=4))
    assert (row(house, "s")["first_at"], row(house, "s")["first_order"]) == (DAY_ONE + timedelta(days=9), 4)
    house.plays(play("ada", "e1", started_at=day(2), played_seconds=3600, order=2))
    found = row(house, "s")
    assert (found["first_at"], found["last_at"]) == (DAY_ONE + timedelta(days=2), DAY_ONE + timedelta(days=9))
    assert (found["first_order"], found["last_order"]) == (2, 4)
    house.signals(signal("ada", "e1", "unwatched", at=day(20)))
    assert row(house, "s")["first_at"] == DAY_ONE + timedelta(days=9)


def test_a_rating_says_when_it_was_begun_only_where_nothing_else_was_told(house: House) -> None:
    house.signals(signal("ada", "unknown", "rating", 8, at=day(4)))
    assert row(house, "unknown")["first_at"] == DAY_ONE + timedelta(days=4)
    house.plays(play("ada", "hour"))
    house.signals(signal("ada", "hour", "rating", 8, at=day(4)))
    assert (row(house, "hour")["first_at"], row(house, "hour")["last_at"]) == (None, DAY_ONE + timedelta(days=4))
