"""What a title's state means for whether it comes: begun, finished, hidden, come again; and those who want no taste at all."""

from collections.abc import Callable
from typing import Any

import pytest

from app.db import Engine
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_stale
from tests.recommend.worlds import NOW, World, ago, clusters, film, name_of, play

Make = Callable[..., World]


@pytest.fixture
def make_world(engine: Engine, make_server: Callable[..., Server]) -> Make:
    def make(**settings: Any) -> World:
        world = World(engine, make_server(**settings))
        world.plant(clusters(n=2, size=10))
        world.send(users=["ada", "bo"], plays=[play("ada", name_of(1, number), 20 + number) for number in range(3)])
        return world

    return make


def show(world: World, name: str, n_episodes: int = 4) -> None:
    episodes = [
        {"item_id": f"{name} {number}", "type": "episode", "name": f"Episode {number}", "series_id": name, "season_number": 1,
         "episode_number": number, "runtime_seconds": 1800}
        for number in range(1, n_episodes + 1)
    ]  # fmt: skip
    world.send(items=[{"item_id": name, "type": "series", "name": name.title()}, *episodes])


def watch(world: World, name: str, n_episodes: int, days_ago: float = 10) -> None:
    world.send(plays=[play("ada", f"{name} {number}", days_ago + number / 10) for number in range(1, n_episodes + 1)])


HALF = name_of(0, 0)
LOOK = name_of(0, 1)
WHOLE = name_of(0, 2)


def half_watched(world: World) -> World:
    percents = {HALF: 50.0, LOOK: 5.0, WHOLE: 95.0}
    world.send(plays=[play("ada", name, 12, percent) for name, percent in percents.items()])
    show(world, "half")
    watch(world, "half", 2)
    return world


@pytest.mark.parametrize("settings", [{}, {"in_progress": "seen"}])
def test_what_is_in_progress_counts_as_seen(make_world: Make, settings: dict[str, Any]) -> None:
    world = half_watched(make_world(**settings))
    assert not {HALF, LOOK, WHOLE, "half"} & set(world.everything("ada"))
    assert {HALF, LOOK, WHOLE, "half"} <= set(world.everything("bo"))
    assert {HALF, LOOK, WHOLE, "half"} <= set(world.everything("ada", include_seen=True))


def test_where_in_progress_is_open_it_comes_back_until_it_is_finished(make_world: Make) -> None:
    world = half_watched(make_world(in_progress="open"))
    shown = set(world.everything("ada"))
    assert {HALF, LOOK, "half"} <= shown
    assert WHOLE not in shown
    world.send(plays=[play("ada", HALF, 1, 92.0)])
    watch(world, "half", 4, days_ago=1)
    assert not {HALF, "half"} & set(world.everything("ada"))


@pytest.mark.parametrize("kind", ["hide", "dislike", "watched"])
def test_what_is_in_progress_and_refused_does_not_come_back(make_world: Make, kind: str) -> None:
    world = half_watched(make_world(in_progress="open"))
    world.send(signals=[{"user_id": "ada", "item_id": name, "kind": kind, "at": ago(1)} for name in (HALF, "half")])
    assert not {HALF, "half"} & set(world.everything("ada"))


@pytest.mark.parametrize("settings", [{}, {"in_progress": "seen"}, {"in_progress": "open"}])
def test_a_series_watched_to_its_end_stays_away(make_world: Make, settings: dict[str, Any]) -> None:
    """By its episodes, or because somebody said so."""
    world = make_world(**settings)
    for name in ("by episodes", "by word"):
        show(world, name)
    watch(world, "by episodes", 4)
    world.send(signals=[{"user_id": "ada", "item_id": "by word", "kind": "watched", "at": ago(3)}])
    assert not {"by episodes", "by word"} & set(world.everything("ada"))
    assert {"by episodes", "by word"} <= set(world.everything("bo"))


def test_a_new_season_makes_a_finished_series_one_in_progress(make_world: Make) -> None:
    world = make_world(in_progress="open")
    show(world, "show")
    watch(world, "show", 4)
    assert "show" not in world.everything("ada")
    show(world, "show", n_episodes=8)
    assert "show" in world.everything("ada")


def test_what_was_finished_long_ago_returns_after_the_servers_number_of_days(make_world: Make) -> None:
    days = {name_of(0, 0): 40, name_of(0, 1): 10, name_of(0, 2): 31, name_of(0, 3): 29}
    world = make_world(watched_returns_after_days=30)
    world.send(plays=[play("ada", name, number) for name, number in days.items()])
    shown = set(world.everything("ada"))
    assert {name_of(0, 0), name_of(0, 2)} <= shown
    assert not {name_of(0, 1), name_of(0, 3)} & shown
    # Those of its taste are 20 to 22 days old.
    assert not {name_of(1, number) for number in range(3)} & shown


def test_what_was_watched_again_lately_does_not_return(make_world: Make) -> None:
    world = make_world(watched_returns_after_days=30)
    world.send(plays=[play("ada", name_of(0, 0), 400), play("ada", name_of(0, 0), 5)])
    assert name_of(0, 0) not in world.everything("ada")


def test_what_was_watched_nobody_knows_when_does_not_return(make_world: Make) -> None:
    world = make_world(watched_returns_after_days=30)
    world.send(plays=[play("ada", name_of(0, 0), 0) | {"started_at": None, "order": 1}])
    world.send(signals=[{"user_id": "ada", "item_id": name_of(0, 1), "kind": "watched"}])
    assert not {name_of(0, 0), name_of(0, 1)} & set(world.everything("ada"))


@pytest.mark.parametrize("kind", ["hide", "dislike"])
def test_what_was_refused_never_returns(make_world: Make, kind: str) -> None:
    world = make_world(watched_returns_after_days=30)
    world.send(plays=[play("ada", name_of(0, 0), 400)])
    world.send(signals=[{"user_id": "ada", "item_id": name_of(0, 0), "kind": kind, "at": ago(390)}])
    assert name_of(0, 0) not in world.everything("ada")


def test_by_default_nothing_that_was_watched_returns_however_long_ago(make_world: Make) -> None:
    world = make_world()
    world.send(plays=[play("ada", name_of(0, 0), 9_000)])
    assert name_of(0, 0) not in world.everything("ada")


@pytest.mark.parametrize("settings", [{}, {"in_progress": "open"}, {"watched_returns_after_days": 30}])
def test_a_film_that_came_again_under_another_id_stays_seen(make_world: Make, settings: dict[str, Any]) -> None:
    world = make_world(**settings)
    world.send(items=[film("dvd", name="Twice", provider_ids={"tmdb": "77"})], plays=[play("ada", "dvd", 9)])
    assert "dvd" not in world.everything("ada")
    world.send(items=[film("uhd", name="Twice, restored", provider_ids={"tmdb": "77"})])
    assert not {"dvd", "uhd"} & set(world.everything("ada"))
    assert len({"dvd", "uhd"} & set(world.everything("bo"))) == 1


def test_a_film_that_came_again_stays_hidden(make_world: Make) -> None:
    world = make_world()
    world.send(items=[film("dvd", provider_ids={"tmdb": "77"})])
    world.send(signals=[{"user_id": "ada", "item_id": "dvd", "kind": "hide", "at": ago(2)}])
    world.send(items=[film("uhd", provider_ids={"tmdb": "77"})])
    assert not {"dvd", "uhd"} & set(world.everything("ada", include_seen=True))


def opt_out(world: World, user: str, opted_out: bool = True) -> None:
    world.send(users=[{"user_id": user, "name": user.title(), "opted_out": opted_out}])


def test_who_opted_out_has_no_taste_however_often_tastes_are_computed(make_world: Make) -> None:
    world = make_world()
    world.refresh()
    assert len(world.taste_rows()) == 1
    opt_out(world, "ada")
    assert world.ask("ada").source == "popular"
    world.refresh()
    assert world.taste_rows() == []
    world.send(plays=[play("ada", name_of(1, 7), 1)])
    assert refresh_stale(world.engine, world.server.id, NOW, unseen) == 0
    assert world.taste_rows() == []
    slate = world.ask("ada")
    assert (slate.source, slate.space_ids) == ("popular", ())
    assert not any(item.candidate.is_near or item.candidate.based_on or "your taste" in item.reason for item in slate.items)
    assert not {name_of(1, number) for number in (0, 1, 2, 7)} & set(world.everything("ada"))


def test_who_opted_out_is_shown_what_is_popular_and_is_not_counted_in_it(make_world: Make) -> None:
    world = make_world()
    opt_out(world, "ada")
    world.refresh()
    assert world.ask("bo").source == "popular"
    world.send(plays=[play("bo", name_of(0, 5), 3)])
    world.refresh()
    slate = world.ask("ada")
    assert (slate.source, slate.items[0].candidate.external_id) == ("household", name_of(0, 5))


def test_who_opts_in_again_has_their_taste_back(make_world: Make) -> None:
    world = make_world()
    before = world.everything("ada")
    opt_out(world, "ada")
    world.refresh()
    opt_out(world, "ada", opted_out=False)
    assert world.ask("ada").source == "personal"
    assert world.everything("ada") == before
