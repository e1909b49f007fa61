"""Worlds whose right answer is known. In each, the engine beats a floor that needs no taste and popularity falls short of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.db import Engine
from app.types import Server
from tests.recommend.worlds import (
    DIMENSION,
    N_CLUSTERS,
    NOW,
    PER_CLUSTER,
    SLATE,
    World,
    ago,
    cluster_of,
    clusters,
    film,
    mean_rank,
    n_of,
    name_of,
    play,
    unit,
)

# Of a slate, were it drawn by lot.
BY_CHANCE = SLATE / N_CLUSTERS


@pytest.fixture
def world(engine: Engine, server: Server) -> World:
    return World(engine, server)


def planted(world: World, noise: float = 0.5) -> World:
    world.plant(clusters(noise=noise))
    world.crowd()
    world.send(users=["ada"])
    return world


# How close the items of a cluster are; how many days older the second interest is: half of the taste, two fifths, a third.
INTERESTS = [(noise, days) for noise in (0.5, 1.0) for days in (0, 5, 30)]


@pytest.mark.parametrize(("noise", "days_older"), INTERESTS)
def test_who_has_two_tastes_is_shown_both(world: World, noise: float, days_older: int) -> None:
    planted(world, noise=noise)
    older = {1: 0, 4: days_older}
    world.send(plays=[play("ada", name_of(one, number), 1 + 2 * number + older[one]) for one in older for number in range(8)])
    world.refresh()

    def lesser(names: list[str]) -> int:
        return min(n_of(names, 1), n_of(names, 4))

    ceiling, wanted = SLATE // 2, 4
    assert BY_CHANCE < wanted < ceiling
    names = world.names("ada")
    assert lesser(names) >= wanted
    assert n_of(names, 1, 4) > 2 * n_of(names, *{0, 2, 3, 5, 6, 7})
    assert lesser(world.popular("ada")) < wanted


def look(world: World, days_ago: float) -> tuple[float, float]:
    """Mean rank of cluster 3 before and after a film of it was broken off, of all but that film."""
    planted(world)
    world.send(plays=[play("ada", name_of(1, number), 1 + 5 * number) for number in range(8)])
    broken_off = name_of(3, 0)
    others = [name_of(3, number) for number in range(1, PER_CLUSTER)]
    before = mean_rank([name for name in world.everything("ada") if name != broken_off], others)
    popular = [name for name in world.popular("ada", 400) if name != broken_off]
    world.send(plays=[play("ada", broken_off, days_ago, percent=4.0)])
    assert [name for name in world.popular("ada", 400) if name != broken_off] == popular
    names = world.everything("ada")
    assert broken_off not in names
    return before, mean_rank(names, others)


def test_a_bounce_pushes_its_like_away_and_fades(engine: Engine, make_server: Callable[..., Server]) -> None:
    before, after = look(World(engine, make_server()), 30)
    floor, ceiling = before, N_CLUSTERS * PER_CLUSTER - PER_CLUSTER / 2
    assert floor < after < ceiling
    same_before, long_after = look(World(engine, make_server()), 730)
    assert same_before == before
    assert abs(long_after - before) < 0.1 * (after - before)


def test_yesterdays_change_of_taste_beats_last_years(world: World) -> None:
    planted(world)
    old = [play("ada", name_of(1, number), 380 + 3 * number) for number in range(15)]
    new = [play("ada", name_of(4, number), 0.5 + number) for number in range(5)]
    world.send(plays=old + new)
    world.refresh()
    names = world.names("ada")
    by_number_of_titles = SLATE * len(new) / len(old + new)
    assert n_of(names, 4) > max(n_of(names, 1), SLATE / 2) > by_number_of_titles
    assert cluster_of(names[0]) == 4
    assert n_of(world.popular("ada"), 4) < by_number_of_titles


HIDDEN = name_of(1, 39)
TWINS = [f"twin{number}" for number in range(4)]


def beside_twins(world: World, n_films: int) -> tuple[World, list[str]]:
    """Somebody who watched some films of cluster 1, of which one not watched has four near-twins; and all that is shown to them."""
    vectors = clusters(n=4, size=80) | {HIDDEN: unit(np.eye(DIMENSION)[1] + 0.3 * np.eye(DIMENSION)[12])}
    noise = 0.02 * np.random.default_rng(5).standard_normal((len(TWINS), DIMENSION))
    world.plant(vectors | dict(zip(TWINS, unit(vectors[HIDDEN] + noise), strict=True)))
    watched = [name for name in (name_of(1, number) for number in range(80)) if name != HIDDEN][:n_films]
    world.send(users=["ada"], plays=[play("ada", name, 20 + 10 * number) for number, name in enumerate(watched)])
    world.refresh()
    return world, world.everything("ada")


@pytest.mark.parametrize("kind", ["hide", "dislike"])
def test_what_is_hidden_never_comes_and_its_twins_sink(world: World, kind: str) -> None:
    world, before = beside_twins(world, 10)
    popular = [name for name in world.popular("ada", 400) if name != HIDDEN]
    assert HIDDEN in before
    world.send(signals=[{"user_id": "ada", "item_id": HIDDEN, "kind": kind, "at": ago(0)}])
    names = world.everything("ada")
    assert HIDDEN not in names
    assert HIDDEN not in world.everything("ada", include_seen=True)
    # The floor: that it is gone, and nothing follows from it.
    floor = mean_rank([name for name in before if name != HIDDEN], TWINS)
    assert floor < mean_rank(names, TWINS) <= len(names)
    assert [name for name in world.popular("ada", 400) if name != HIDDEN] == popular


def closeness(world: World) -> float:
    """Of the twins to the taste."""
    similar = {item.candidate.external_id: item.candidate.similarity for item in world.ask("ada", limit=400).items}
    return float(np.mean([similar[name] for name in TWINS]))


def sinks(world: World, n_films: int, **said: Any) -> float:
    """By how much the twins move away from the taste once this was said, eight days ago."""
    world, _ = beside_twins(world, n_films)
    before = closeness(world)
    if "percent" in said:
        world.send(plays=[play("ada", HIDDEN, 8, **said)])
    else:
        world.send(signals=[{"user_id": "ada", "item_id": HIDDEN, "at": ago(8)} | said])
    return before - closeness(world)


@pytest.mark.parametrize("kind", ["hide", "dislike"])
def test_a_refusal_says_no_less_than_a_look_that_was_broken_off_the_same_day(
    engine: Engine, make_server: Callable[..., Server], kind: str
) -> None:
    """Somebody who watched thirty films in a year and refuses one this week means this week, not the day of the oldest film."""
    refused = sinks(World(engine, make_server()), 30, kind=kind)
    broken_off = sinks(World(engine, make_server()), 30, percent=4.0)
    assert refused >= broken_off > 0


# Days between the last of what was watched first and the first of the rest.
@pytest.mark.parametrize(("series_from", "films_from"), [(0, 60), (60, 0), (0, 0)])
def test_a_series_of_500_episodes_does_not_drown_ten_films(world: World, series_from: float, films_from: float) -> None:
    planted(world)
    episodes = [
        {"item_id": f"e{number}", "type": "episode", "name": f"Episode {number}", "series_id": "show", "season_number": 1 + number // 25,
         "episode_number": 1 + number % 25, "runtime_seconds": 1500}
        for number in range(500)
    ]  # fmt: skip
    world.send(items=[{"item_id": "show", "type": "series", "name": "Show"}, *episodes])
    world.place({"show": np.eye(DIMENSION, dtype=np.float32)[2]})
    world.send(plays=[play("ada", f"e{number}", series_from + number / 10) for number in range(500)])
    world.send(plays=[play("ada", name_of(4, number), films_from + 1 + 5 * number) for number in range(10)])
    world.refresh()
    by_number_of_plays = SLATE * 10 / 510
    assert n_of(world.names("ada"), 4) >= SLATE / 2 > by_number_of_plays
    assert n_of(world.popular("ada"), 4) < SLATE / 2


def with_cold_item(world: World, n_items_to_be: int = 0, **more: Any) -> World:
    """Nobody watched it, it came a minute ago, and it is what the taste is of."""
    vectors = clusters()
    world.plant(vectors, n_items_to_be)
    world.crowd()
    watched = [name_of(1, number) for number in range(5)]
    world.send(users=["ada"], plays=[play("ada", name, 10 + 3 * number) for number, name in enumerate(watched)])
    world.refresh()
    world.send(items=[film("cold", added_at=ago(1 / 1440), **more)])
    world.place({"cold": unit(np.sum([vectors[name] for name in watched], axis=0))})
    return world


@pytest.mark.parametrize("more", [{}, {"community_rating": None, "vote_count": None}])
@pytest.mark.parametrize("n_items_to_be", [0, 50_000])
def test_a_cold_item_close_to_the_taste_is_found(world: World, n_items_to_be: int, more: dict[str, Any]) -> None:
    with_cold_item(world, n_items_to_be, **more).refresh()
    found = {item.candidate.external_id: item for item in world.ask("ada").items}
    assert "cold" in found
    assert found["cold"].reason.startswith("New, and close to your taste")
    assert world.popular("ada", 400).index("cold") > SLATE


def test_a_cold_item_is_found_before_any_statistics_are_made_of_it(world: World) -> None:
    """It has no prior until the next statistics; nothing known is not nothing good."""
    assert "cold" in with_cold_item(world).names("ada")


def test_in_a_small_library_an_item_without_a_vector_is_found(world: World) -> None:
    world.plant(clusters(n=2, size=8))
    world.send(users=["ada"], plays=[play("ada", name_of(1, 0), 2)])
    world.refresh()
    world.send(items=[film("bare", added_at=NOW.isoformat())])
    slate = world.ask("ada")
    [bare] = [item for item in slate.items if item.candidate.external_id == "bare"]
    assert slate.source == "personal"
    assert "text" not in bare.sources
    assert bare.candidate.similarity is None
