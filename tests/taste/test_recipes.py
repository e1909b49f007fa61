"""Which weights a server uses, and what happens to tastes that were made with others."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.db import Engine, servers
from app.taste.recipes import PRESETS, Recipe, recipe_of
from app.taste.streamystats import StreamystatsWeights
from app.taste.weights import PalateWeights
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_stale, refresh_tastes
from tests.recommend.worlds import NOW, World, clusters, name_of, names_in, play


def recipe(**settings: Any) -> Recipe:
    return recipe_of(Server(1, "home", "Home", "api", settings), "text")


def test_without_settings_the_weights_are_palates_own() -> None:
    assert recipe().weights == PalateWeights()
    assert recipe().name.startswith("palate ")
    assert recipe() == recipe(preset="palate") == recipe(preset="palate", weights={}) == recipe(weights=None)


def test_a_preset_is_chosen_by_name_and_named_in_the_recipe() -> None:
    assert recipe(preset="streamystats").weights == StreamystatsWeights()
    assert recipe(preset="streamystats").name.startswith("streamystats ")
    assert len({recipe(preset=preset).name for preset in PRESETS}) == len(PRESETS)


def test_a_changed_constant_changes_the_weights_and_the_name() -> None:
    changed = recipe(weights={"half_life_days": 30.0})
    assert changed.weights == PalateWeights(half_life_days=30.0)
    assert changed.name != recipe().name
    names = {recipe(weights={"half_life_days": days}).name for days in (30.0, 31.0, 365.5)}
    assert len(names) == 3


def test_a_constant_set_to_its_default_changes_nothing() -> None:
    assert recipe(weights={"half_life_days": PalateWeights.half_life_days}).name == recipe().name


def test_the_same_constant_of_two_presets_makes_two_names() -> None:
    assert recipe(weights={"bounce_weight": -0.2}).name != recipe(preset="streamystats", weights={"bounce_weight": -0.2}).name


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "of a later version"},
        {"preset": None},
        {"weights": {"of a later version": 3.0}},
        {"weights": {"film_bounce": 0.5}},
        {"variety": 0.9, "in_progress": "open", "unrated": "show"},
    ],
)
def test_what_is_not_known_is_passed_over(settings: dict[str, Any]) -> None:
    assert recipe(**settings) == recipe()


def test_what_is_known_counts_beside_what_is_not() -> None:
    assert recipe(weights={"like_bonus": 0.1, "nonsense": 1.0}) == recipe(weights={"like_bonus": 0.1})


def test_two_servers_with_the_same_settings_share_the_name(engine: Engine, make_server: Callable[..., Server]) -> None:
    first = make_server(weights={"half_life_days": 90.0, "like_bonus": 0.1})
    second = make_server(weights={"like_bonus": 0.1, "half_life_days": 90.0}, variety=0.0)
    assert first.id != second.id
    assert recipe_of(first, "text").name == recipe_of(second, "text").name
    with engine.begin() as connection:
        assert recipe_of(servers.get_server(connection, first.id), "text").name == recipe_of(first, "text").name


# They watched films of cluster 1 long ago, and of cluster 2 lately, which they rated 1: each preset sees another taste.
USERS = ("ada", "bo", "cy")


@pytest.fixture
def world(engine: Engine, server: Server) -> World:
    world = World(engine, server)
    world.plant(clusters())
    plays = [play(user, name_of(1, number), 300 + number) for user in USERS for number in range(4)]
    plays += [play(user, name_of(2, number), number) for user in USERS for number in range(4)]
    rated = [{"user_id": user, "item_id": name_of(2, number), "kind": "rating", "value": 1} for user in USERS for number in range(4)]
    world.send(users=USERS, plays=plays, signals=rated)
    return world


def change(world: World, **settings: Any) -> None:
    with world.engine.begin() as connection:
        world.server, _ = servers.put_server(connection, world.server.external_id, "Test server", "api", settings)


def recipes_stored(world: World) -> set[str]:
    return {row[11] for row in world.taste_rows()}


def test_a_changed_preset_makes_every_stored_taste_stale_once(world: World) -> None:
    moments = (NOW + timedelta(minutes=minute) for minute in itertools.count())

    def refresh() -> int:
        return refresh_stale(world.engine, world.server.id, next(moments), unseen)

    assert [refresh(), refresh()] == [len(USERS), 0]
    assert recipes_stored(world) == {recipe().name}
    change(world, preset="streamystats")
    assert [refresh(), refresh()] == [len(USERS), 0]
    assert recipes_stored(world) == {recipe(preset="streamystats").name}
    change(world, preset="streamystats", weights={"min_titles": 5.0})
    assert [refresh(), refresh()] == [len(USERS), 0]
    change(world)
    assert [refresh(), refresh()] == [len(USERS), 0]
    assert recipes_stored(world) == {recipe().name}


def test_settings_that_touch_no_weight_leave_tastes_as_they_are(world: World) -> None:
    refresh_tastes(world.engine, world.server.id, NOW, unseen)
    change(world, variety=0.0, in_progress="open", weights={"nonsense": 1.0})
    assert refresh_stale(world.engine, world.server.id, NOW, unseen) == 0


def test_the_next_answer_follows_a_changed_preset_before_any_refresh(world: World) -> None:
    refresh_tastes(world.engine, world.server.id, NOW, unseen)
    before = world.taste_rows()
    assert names_in(world.ask("ada"))[0].startswith("c1")
    change(world, preset="streamystats")
    computed = world.ask("ada")
    # Ratings say nothing there, and what is new says most.
    assert names_in(computed)[0].startswith("c2")
    assert world.taste_rows() == before
    refresh_stale(world.engine, world.server.id, NOW, unseen)
    assert names_in(world.ask("ada")) == names_in(computed)
    assert [item.score for item in world.ask("ada").items] == [item.score for item in computed.items]


def test_a_changed_constant_is_followed_before_any_refresh(world: World) -> None:
    refresh_tastes(world.engine, world.server.id, NOW, unseen)
    assert names_in(world.ask("bo"))[0].startswith("c1")
    # A rating of 1 now draws, and what is 300 days old is forgotten.
    change(world, weights={"neutral_rating": 0.0, "half_life_days": 5.0})
    assert names_in(world.ask("bo"))[0].startswith("c2")


def test_going_back_is_followed_as_well(world: World) -> None:
    refresh_tastes(world.engine, world.server.id, NOW, unseen)
    before = world.names("ada")
    change(world, preset="streamystats")
    refresh_stale(world.engine, world.server.id, NOW, unseen)
    change(world)
    assert world.names("ada") == before


def test_a_preset_under_which_nothing_is_known_of_a_user_answers_without_a_taste(world: World) -> None:
    refresh_tastes(world.engine, world.server.id, NOW, unseen)
    change(world, preset="streamystats", weights={"min_titles": 9.0})
    assert world.ask("ada").source != "personal"
    refresh_stale(world.engine, world.server.id, NOW, unseen)
    assert world.ask("ada").source != "personal"
    assert refresh_stale(world.engine, world.server.id, NOW, unseen) == 0
