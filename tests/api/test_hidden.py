"""/users/{user_id}/hidden: whatever was said before, and by whichever door, the last word stands."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.types import Server
from tests.api.home import EVERYTHING, NAMES, Home, make_home
from tests.db.household import day, film, signal, user

FUTURE = "2199-12-31T23:59:59Z"


@pytest.fixture
def home(client: TestClient, engine: Engine, server: Server) -> Home:
    return make_home(client, engine, server)


def test_what_is_hidden_is_gone_and_comes_back_when_it_is_taken_back(home: Home) -> None:
    assert home.suggested() == EVERYTHING
    answer = home.hide("heat")
    assert (answer.status_code, answer.json()) == (200, {"item_id": "heat", "hidden": True})
    assert home.suggested() == EVERYTHING - {"heat"}
    answer = home.unhide("heat")
    assert (answer.status_code, answer.json()) == (200, {"item_id": "heat", "hidden": False})
    assert home.suggested() == EVERYTHING
    assert home.hidden() == []


def test_what_one_user_hides_another_still_gets(home: Home) -> None:
    home.hide("heat")
    assert home.suggested("bo") == EVERYTHING
    assert home.hidden("bo") == []


@pytest.mark.parametrize("part", ["e", "n"])
def test_an_episode_or_a_season_means_its_series(home: Home, part: str) -> None:
    assert home.hide(part).json() == {"item_id": "s", "hidden": True}
    assert home.suggested() == EVERYTHING - {"s"}
    assert home.hidden_ids() == ["s"]
    assert home.unhide(part).json() == {"item_id": "s", "hidden": False}
    assert home.suggested() == EVERYTHING


def test_hiding_twice_is_hiding_once(home: Home) -> None:
    home.hide("ronin")
    before = home.version(), home.hidden(), home.rows("SELECT * FROM signals WHERE server_id = :server_id")
    for name in NAMES["ronin"]:
        assert home.hide(name).json() == {"item_id": name, "hidden": True}
    assert (home.version(), home.hidden(), home.rows("SELECT * FROM signals WHERE server_id = :server_id")) == before


def test_taking_back_what_is_not_hidden_is_fine_and_changes_nothing(home: Home) -> None:
    version = home.version()
    for _ in range(2):
        assert home.unhide("heat").json() == {"item_id": "heat", "hidden": False}
    home.hide("ronin")
    home.unhide("ronin")
    after = home.rows("SELECT * FROM signals WHERE server_id = :server_id ORDER BY source_key")
    assert home.unhide("ronin").status_code == 200
    assert home.rows("SELECT * FROM signals WHERE server_id = :server_id ORDER BY source_key") == after
    assert home.version() == version + 2
    assert home.suggested() == EVERYTHING


def test_pressing_often_leaves_one_row(home: Home) -> None:
    for _ in range(3):
        home.hide("heat")
        home.unhide("heat")
    assert len(home.rows("SELECT * FROM signals WHERE server_id = :server_id")) == 1


TIMES: dict[str, dict[str, Any]] = {"without a time": {}, "long ago": {"at": day(-900)}, "in the future": {"at": FUTURE}}


def earlier(title: str) -> dict[str, Callable[[Home], None]]:
    """Ways in which a title may have been hidden before."""
    ways: dict[str, Callable[[Home], None]] = {f"POST {name}": lambda home, name=name: home.hide(name) for name in NAMES[title]}  # type: ignore[misc]
    for name in NAMES[title]:
        for when, time in TIMES.items():
            row = signal("ada", name, "hide", signal_id=f"{name} {when}" if when == "long ago" else None, **time)
            ways[f"{name} {when}"] = lambda home, row=row: home.send("signals", row)  # type: ignore[misc]
    return ways


ALL_WAYS = [(title, way) for title in NAMES for way in earlier(title)]


@pytest.mark.parametrize(("title", "way"), ALL_WAYS, ids=lambda value: value)
def test_the_last_word_stands_however_it_was_hidden_before(home: Home, title: str, way: str) -> None:
    for name in NAMES[title]:
        home.unhide(name)
        earlier(title)[way](home)
    if way.startswith("POST"):
        assert title not in home.suggested()
    for name in NAMES[title] * 2:
        home.unhide(name)
        assert home.suggested() == EVERYTHING
        assert home.hidden() == []
        home.hide(name)
        assert home.suggested() == EVERYTHING - {title}
        assert len(home.hidden()) == 1


@pytest.mark.parametrize("title", NAMES)
@pytest.mark.parametrize("step", [1, -1])
def test_the_last_word_stands_over_all_that_was_said_before(home: Home, title: str, step: int) -> None:
    for way in list(earlier(title).values())[::step]:
        way(home)
    assert home.suggested() == EVERYTHING - {title}
    home.unhide(NAMES[title][-1])
    assert home.suggested() == EVERYTHING
    home.hide(title)
    assert home.suggested() == EVERYTHING - {title}


def test_a_hide_that_was_said_before_and_comes_late_does_not_win(home: Home) -> None:
    home.unhide("heat")
    home.send("signals", signal("ada", "heat", "hide", at=day(-1)))
    assert home.suggested() == EVERYTHING


@pytest.mark.parametrize("more", [{}, {"signal_id": "1"}])
def test_a_signal_that_is_said_later_wins(home: Home, more: dict[str, Any]) -> None:
    home.hide("heat")
    home.send("signals", signal("ada", "heat", "hide", False, **more))
    assert home.suggested() == EVERYTHING
    assert home.hidden() == []
    home.send("signals", signal("ada", "heat", "hide", True, **more))
    assert home.suggested() == EVERYTHING - {"heat"}


def test_sending_a_signal_again_does_not_hide_again(home: Home) -> None:
    home.send("signals", signal("ada", "heat", "hide"))
    home.unhide("heat")
    home.send("signals", signal("ada", "heat", "hide"))
    assert home.suggested() == EVERYTHING


def test_what_is_hidden_under_one_version_stays_so_under_the_other(home: Home) -> None:
    home.hide("ronin")
    home.send("items", film("ronin-2", "Film ronin", provider_ids={"tmdb": "8195"}))
    assert home.suggested() == EVERYTHING - {"ronin"}
    assert home.unhide("ronin-2").json() == {"item_id": "ronin-2", "hidden": False}
    assert home.suggested() == EVERYTHING


def test_hiding_at_once_from_many_sides_ends_in_the_last_word(home: Home) -> None:
    def press(number: int) -> list[int]:
        name = NAMES["s"][number % 3]
        home.send("signals", signal("ada", name, "hide", number % 2 == 0), signal("bo", name, "hide"))
        home.send("items", film("heat", year=1900 + number))
        return [home.hide(name).status_code, home.unhide(name).status_code, home.hide("heat").status_code]

    with ThreadPoolExecutor(8) as pool:
        assert {status for answers in pool.map(press, range(24)) for status in answers} == {200}
    home.unhide("s")
    assert home.suggested() == {"ronin", "s"}
    home.hide("s")
    assert home.suggested() == {"ronin"}


def test_the_list_says_what_and_when_newest_first(home: Home) -> None:
    home.send("signals", signal("ada", "ronin", "hide", at=day(-3)))
    home.hide("e")
    home.send("signals", signal("ada", "heat", "hide", at=day(-1)))
    newest, *others = home.hidden()
    assert {name: newest[name] for name in ("item_id", "name", "type", "year")} == {
        "item_id": "s", "name": "Series s", "type": "series", "year": 2015,
    }  # fmt: skip
    assert newest["hidden_at"] > day(0)
    assert [(one["item_id"], one["type"], one["year"], one["hidden_at"]) for one in others] == [
        ("heat", "movie", 1995, day(-1).replace("+00:00", "Z")),
        ("ronin", "movie", None, day(-3).replace("+00:00", "Z")),
    ]
    home.unhide("heat")
    assert home.hidden_ids() == ["s", "ronin"]


def test_of_equal_times_the_order_is_always_the_same(home: Home) -> None:
    home.send("items", *(film(f"f{number}") for number in range(20)))
    home.send("signals", *(signal("ada", f"f{number}", "hide", at=day(0)) for number in range(20)))
    first = home.hidden_ids()
    assert len(first) == 20
    home.send("signals", *(signal("ada", f"f{number}", "favourite") for number in reversed(range(20))))
    assert home.hidden_ids() == first


def test_a_time_to_come_is_shown_as_the_time_of_coming(home: Home) -> None:
    home.send("signals", signal("ada", "heat", "hide", at=FUTURE))
    home.hide("ronin")
    assert home.hidden_ids() == ["ronin", "heat"]
    home.unhide("heat")
    home.hide("heat")
    assert home.hidden_ids() == ["heat", "ronin"]
    assert all(one["hidden_at"] < "2190" for one in home.hidden())


LIMITS = [
    ({"library_ids": ["west"]}, {"library_id": "east"}),
    ({"library_ids": []}, {"library_id": "east"}),
    ({"library_ids": ["west"]}, {}),
    ({"max_parental_age": 10}, {"official_rating": "R"}),
    ({"max_parental_age": 10}, {}),
    ({"blocked_tags": ["Gore"]}, {"tags": ["gore"]}),
    ({"allowed_tags": ["kids"]}, {"tags": ["gore"]}),
]


@pytest.mark.parametrize(("limits", "more"), LIMITS)
def test_what_a_user_may_not_open_now_is_not_named(home: Home, limits: dict[str, Any], more: dict[str, Any]) -> None:
    home.send("items", film("heat", **more))
    home.hide("heat")
    assert home.hidden_ids() == ["heat"]
    home.send("users", user("ada", **limits))
    assert home.hidden() == []
    assert home.hide("heat").status_code == 200
    home.send("users", user("ada"))
    assert home.hidden_ids() == ["heat"]


def test_an_item_is_named_by_an_entry_that_the_user_may_open(home: Home) -> None:
    ids: dict[str, Any] = {"provider_ids": {"tmdb": "8195"}}
    home.send("items", film("ronin", library_id="east", **ids), film("ronin-4k", "Film ronin", library_id="west", **ids))
    home.hide("ronin")
    home.send("users", user("ada", library_ids=["west"]))
    assert home.hidden_ids() == ["ronin-4k"]


def test_what_is_deleted_is_not_named_and_can_be_taken_back(home: Home) -> None:
    home.hide("heat")
    home.rows("UPDATE entries SET deleted_at = now() WHERE server_id = :server_id AND external_id = 'heat' RETURNING id")
    assert home.hidden() == []
    assert home.unhide("heat").status_code == 200
    home.send("items", film("heat"))
    assert home.hidden() == []
