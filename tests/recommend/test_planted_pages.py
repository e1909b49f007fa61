"""The same slate whichever way it came about, and every item once on the way to its end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.db import Engine
from app.db.searches import BLOCK
from app.recommend.select import Selection
from app.types import Server, Slate, unseen
from jobs.refresh_tastes import refresh_stale, refresh_tastes, refresh_user
from tests.recommend.worlds import NOW, SLATE, World, clusters, film, name_of, names_in, play

LATER = NOW + timedelta(days=300)
INDEXED = 50_000


@pytest.fixture
def world(engine: Engine, server: Server) -> World:
    return World(engine, server)


def three_tastes(world: World, n_items_to_be: int = 0, n_films: int = 12, **how: Any) -> World:
    """Ada likes three clusters; seven items have no vector; a tenth of the items are of one franchise."""
    vectors = clusters(**how)
    world.plant(vectors, n_items_to_be)
    world.crowd()
    world.send(items=[film(name, name=f"Saga {number}") for number, name in enumerate(list(vectors)[::10])])
    world.send(items=[film(f"bare{number}") for number in range(7)])
    watched = [(name_of(cluster, number), 10 + 3 * number + cluster) for cluster in (1, 4, 6) for number in range(n_films)]
    world.send(users=["ada", "guest"], plays=[play("ada", name, days) for name, days in watched])
    return world


def told(slate: Slate) -> list[tuple[Any, ...]]:
    """All that a caller is told of a slate."""
    return [
        (item.rank, item.candidate.external_id, item.score, item.candidate.own_score, item.candidate.facet, item.candidate.similarity,
         item.sources, item.reason, item.candidate.based_on)
        for item in slate.items
    ]  # fmt: skip


@pytest.mark.parametrize("n_items_to_be", [0, INDEXED])
def test_a_taste_computed_in_the_request_gives_the_slate_of_the_stored_one(world: World, n_items_to_be: int) -> None:
    three_tastes(world, n_items_to_be)
    assert world.taste_rows() == []
    computed = [world.ask("ada", offset=offset) for offset in (0, 60, 120)]
    assert refresh_stale(world.engine, world.server.id, NOW, unseen) > 0
    stored = [world.ask("ada", offset=offset) for offset in (0, 60, 120)]
    assert [told(slate) for slate in computed] == [told(slate) for slate in stored]
    assert {item.candidate.facet for item in stored[0].items} == {1, 2, 3}


@pytest.mark.parametrize("percent", [100.0, 60.0, 4.0])
@pytest.mark.parametrize("preset", ["palate", "streamystats"])
def test_a_stored_taste_does_not_drift_from_the_one_that_would_be_computed(
    engine: Engine, make_server: Callable[..., Server], preset: str, percent: float
) -> None:
    """Everything fades at one rate, and what was a look in progress, or a bounce, falls due."""
    world = three_tastes(World(engine, make_server(preset=preset)))
    world.send(plays=[play("ada", name_of(3, number), 1 + number, percent=percent) for number in range(8)])
    world.refresh(NOW)
    stored = world.ask("ada", now=LATER)
    world.refresh(LATER)
    computed = world.ask("ada", now=LATER)
    assert names_in(stored) == names_in(computed)
    assert [item.candidate.facet for item in stored.items] == [item.candidate.facet for item in computed.items]
    assert [item.score for item in stored.items] == pytest.approx([item.score for item in computed.items], abs=1e-3)


def test_tastes_computed_again_at_the_same_moment_are_the_same_bytes(world: World) -> None:
    three_tastes(world).refresh()
    rows = world.taste_rows()
    assert {row[3] for row in rows} >= {0, 1, 2, 3}
    for _ in range(2):
        refresh_tastes(world.engine, world.server.id, NOW, unseen)
        assert world.taste_rows() == rows
    for user_id in sorted({row[1] for row in rows}, reverse=True):
        assert refresh_user(world.engine, world.server.id, user_id, NOW) == 1
    assert world.taste_rows() == rows


def test_a_facet_that_is_gone_is_gone_although_no_time_has_passed(world: World) -> None:
    three_tastes(world).refresh()
    unwatched = [{"user_id": "ada", "item_id": name_of(cluster, number), "kind": "unwatched"} for cluster in (4, 6) for number in range(12)]
    world.send(signals=unwatched)
    computed = world.ask("ada")
    assert {item.candidate.facet for item in computed.items} == {None}
    assert refresh_stale(world.engine, world.server.id, NOW, unseen) == 1
    assert told(world.ask("ada")) == told(computed)


def walk(world: World, user: str, limit: int = SLATE, n_pages: int = 1_000, **asked: Any) -> tuple[list[str], list[float]]:
    """Names and scores of all pages, as a caller follows them."""
    names: list[str] = []
    scores: list[float] = []
    offset: int | None = 0
    while offset is not None and offset < n_pages * limit:
        slate = world.ask(user, limit=limit, offset=offset, **asked)
        assert [item.rank for item in slate.items] == list(range(offset + 1, offset + 1 + len(slate.items)))
        names += names_in(slate)
        scores += [item.score for item in slate.items]
        offset = slate.next_offset
    return names, scores


def eligible(world: World, *watched_clusters: int) -> set[str]:
    watched = {name_of(cluster, number) for cluster in watched_clusters for number in range(12)}
    return set(world.item_ids()) - watched


WALKS: list[dict[str, Any]] = [
    {},
    {"selection": Selection(variety=0.5, franchise_cap=1, genre_cap=0.5, freshness=0.1)},
    {"selection": Selection(variety=0.0, balance=0.0, franchise_cap=None, genre_cap=None, freshness=0.0)},
]


@pytest.mark.parametrize("n_items_to_be", [0, INDEXED])
@pytest.mark.parametrize("asked", WALKS)
def test_walking_to_the_end_meets_every_eligible_item_once(world: World, n_items_to_be: int, asked: dict[str, Any]) -> None:
    three_tastes(world, n_items_to_be).refresh()
    names, scores = walk(world, "ada", **asked)
    assert len(names) == len(set(names))
    assert set(names) == eligible(world, 1, 4, 6)
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("limit", [7, 50, 64, 100])
def test_the_size_of_a_page_changes_nothing(world: World, limit: int) -> None:
    three_tastes(world).refresh()
    assert walk(world, "ada", limit) == walk(world, "ada")


def test_who_has_no_taste_walks_through_everything_as_well(world: World) -> None:
    three_tastes(world).refresh()
    names, scores = walk(world, "guest")
    assert len(names) == len(set(names))
    assert set(names) == eligible(world)
    assert scores == sorted(scores, reverse=True)


def test_who_watched_one_film_walks_through_everything_as_well(world: World) -> None:
    """So little evidence is blended with what is popular."""
    three_tastes(world, n_films=1)
    world.send(users=["bo"], plays=[play("bo", name_of(2, 0), 3)])
    world.refresh()
    names, scores = walk(world, "bo")
    assert len(names) == len(set(names)) == len(eligible(world)) - 1
    assert scores == sorted(scores, reverse=True)


def test_the_first_ten_pages_of_a_large_index_repeat_nothing(world: World) -> None:
    three_tastes(world, INDEXED, size=250).refresh()
    names, scores = walk(world, "ada", n_pages=10)
    assert len(names) == len(set(names)) == 10 * SLATE
    assert scores == sorted(scores, reverse=True)
    assert all(name in eligible(world, 1, 4, 6) for name in names)


def test_no_page_of_twenty_holds_more_of_a_franchise_than_its_cap_but_the_last_of_a_block(world: World) -> None:
    """One title in ten is of the saga. What a block of candidates has too many of comes at its end: a later one can't give way to it."""
    three_tastes(world).refresh()
    pages = [world.ask("ada", offset=offset) for offset in range(0, 9 * SLATE, SLATE)]
    n_saga = [sum(item.candidate.name.startswith("Saga") for item in page.items) for page in pages]
    with_room = [n for number, n in enumerate(n_saga, start=1) if number % (BLOCK // SLATE)]
    assert max(with_room) <= (Selection.franchise_cap or 0), n_saga
