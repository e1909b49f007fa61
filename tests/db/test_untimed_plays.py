"""What a media server counted without its times, and what others tell with them; and one watching under several names of its file."""

from itertools import permutations

import pytest

from tests.db.household import Body, House, day, episode, film, play, series, signal, user

LAST = play("ada", "hour", "last", started_at=day(9), completed=True)
EARLIER = [play("ada", "hour", f"earlier {number}") for number in (1, 2)]
IMPORTED = [play("ada", "hour", f"row {number}", started_at=day(number), played_seconds=3000) for number in (3, 6, 9)]


@pytest.fixture
def house(house: House) -> House:
    """With a user, a film of an hour in two versions and a series."""
    house.users(user("ada"))
    ids = {"provider_ids": {"tmdb": "1"}, "runtime_seconds": 3600}
    house.items(film("hour", "Hour", **ids), film("hour again", "Hour", **ids), series("s"))
    house.items(episode("e1", "s", 1, runtime_seconds=1800), episode("e1 renamed", "s", 1, runtime_seconds=1800))
    return house


def n_plays(house: House, item_id: str = "hour") -> int:
    found = house.engagement("ada", item_id)
    return 0 if found is None else int(found["n_plays"])


def of(item_id: str, *plays: Body) -> list[Body]:
    return [{**one, "item_id": item_id, "play_id": f"{item_id} {one['play_id']}"} for one in plays]


@pytest.mark.parametrize("kind", ["jellyfin", "emby", "plex"])
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_what_a_server_only_counted_and_an_import_tells_with_its_time_is_counted_once(
    house: House, kind: str, order: tuple[int, ...]
) -> None:
    doors = ((kind, [LAST]), (kind, EARLIER), ("jellystat import", IMPORTED))
    for number in order:
        house.plays(*doors[number][1], source=doors[number][0])
    assert n_plays(house) == 3


def test_more_that_an_import_tells_than_the_server_counted_all_count(house: House) -> None:
    house.plays(LAST, *EARLIER, source="jellyfin")
    house.plays(*IMPORTED, *(play("ada", "hour", f"old {number}", started_at=day(-number)) for number in (1, 2)), source="import")
    assert n_plays(house) == 5


def test_what_is_watched_after_that_counts_beside_it(house: House) -> None:
    house.plays(LAST, *EARLIER, source="jellyfin")
    house.plays(play("ada", "hour", "next", started_at=day(20), completed=True), source="jellyfin")
    house.plays(play("ada", "hour", "heard", started_at=day(30), played_seconds=3000), source="live")
    assert n_plays(house) == 5
    house.plays(*IMPORTED, source="import")
    assert n_plays(house) == 5


def test_the_last_that_is_told_a_moment_early_by_another_door_is_none_of_those_before(house: House) -> None:
    house.plays(LAST, *EARLIER, source="jellyfin")
    house.plays(play("ada", "hour", "heard", started_at=day(9 - 1e-5), played_seconds=3000), source="live")
    assert n_plays(house) == 3


def test_what_is_watched_nobody_knows_when_is_the_one_that_an_import_knows_it_of(house: House) -> None:
    house.plays(play("ada", "hour", "unknown", completed=True), source="jellyfin")
    house.plays(IMPORTED[0], source="import")
    assert n_plays(house) == 1
    house.plays(LAST, source="jellyfin")
    assert n_plays(house) == 2


def test_what_a_caller_tells_without_a_time_counts_each_time(house: House) -> None:
    house.plays(*EARLIER)
    house.plays(*IMPORTED, source="import")
    assert n_plays(house) == 5


@pytest.mark.parametrize(("first", "second"), [("hour", "hour again"), ("e1", "e1 renamed")])
def test_a_renamed_file_is_not_watched_twice(house: House, first: str, second: str) -> None:
    unknown = play("ada", "hour", "unknown", completed=True)
    for item_id in (first, second):
        house.plays(*of(item_id, unknown, LAST, *EARLIER), source="jellyfin")
    assert n_plays(house, first) == 4


def test_plays_under_the_names_of_an_older_release_are_the_same_under_the_new(house: House) -> None:
    told = [LAST, play("ada", "hour", "unknown", completed=True)]
    house.plays(*told, *EARLIER, source="jellyfin")
    before = n_plays(house)
    house.plays(*({**one, "play_id": f"otherwise {one['play_id']}"} for one in told), source="jellyfin")
    assert n_plays(house) == before == 4


def test_one_evening_with_two_versions_of_a_film_is_one_sitting(house: House) -> None:
    house.plays(play("ada", "hour", "a", started_at=day(0), played_seconds=1800))
    house.plays(play("ada", "hour again", "b", started_at=day(0.01), played_seconds=2700))
    found = house.engagement("ada", "hour")
    assert found is not None
    assert (found["n_plays"], found["completion"]) == (1, 0.75)


def test_what_is_marked_as_unwatched_is_counted_neither_with_its_time_nor_without(house: House) -> None:
    house.plays(LAST, *EARLIER, source="jellyfin")
    house.plays(*IMPORTED, source="import")
    house.signals(signal("ada", "hour", "unwatched", at=day(10)))
    assert n_plays(house) == 0
    house.plays(play("ada", "hour", "next", started_at=day(20), completed=True), source="jellyfin")
    assert n_plays(house) == 1
