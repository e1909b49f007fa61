"""The plan of the retrieval statement, and that lists are full, on a library of 25,000 items and on one of 2,000."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app.db import Connection, Engine
from app.db.engine import serving_engine, working_engine
from app.db.finding import dress, find
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.scratch import scratch_database
from app.db.searches import N_RANKED
from app.recommend.context import find_context
from app.recommend.effort import search_for
from app.recommend.pipeline import recommend
from app.types import Filters, Slate
from jobs.bench_data import World, build_world
from jobs.bench_ranker import plant_collab
from migrations.migrate import migrate
from tests.db.plans import Node, plan_of, plan_of_what

LIGHT_USER = "user 0"  # watched 10
HEAVY_USER = "user 4"  # watched 5,000, or half of the library

LIMITS: list[dict[str, Any]] = [
    {},
    {"has_all_libraries": False, "library_ids": [1], "max_parental_age": 12, "blocked_tags": ["x"]},
    {"grant_id": 1},
]
FILTERS = [
    Filters(),
    Filters(kind="movie", genres=["genre 3", "genre 4"], year_from=1960),
    Filters(exclude_genres=["genre 1"], max_runtime_seconds=6000, exclude_ids=["item 5"]),
]
SELECTIVE = Filters(genres=["genre 7"], year_from=1999, year_to=2005, max_runtime_seconds=6000)


@dataclass(frozen=True)
class Library:
    engine: Engine
    world: World

    def plan(self, user: str, filters: Filters, **limits: Any) -> Node:
        with self.engine.begin() as connection:
            question = self.question(connection, user, filters)
            asker = replace(question.asker, viewer=replace(question.asker.viewer, **limits))
            return plan_of(connection, self.world.server, replace(question, asker=asker))

    def plans_with_a_ranker(self, user: str, filters: Filters, **limits: Any) -> tuple[Node, Node]:
        """Of the statement that finds, and of the one that dresses what was chosen."""
        with self.engine.begin() as connection:
            server, now = self.world.server, datetime.now(UTC)
            context = find_context(connection, server, user, None, now)
            asker = replace(context.asker, viewer=replace(context.asker.viewer, **limits))
            question = Question(asker, filters, "near", now, has_vectors=True, kinds=context.kinds, evidence=context.evidence)
            recent_ids, _ = context.recent
            ranks = {"first": 0, "last": N_RANKED}
            finding = plan_of_what(connection, lambda recorder: find(recorder, server, question, recent_ids, **ranks))
            chosen = find(connection, server, question, recent_ids, **ranks)[:20]
            return finding, plan_of_what(connection, lambda recorder: dress(recorder, server, question, chosen))

    def question(self, connection: Connection, user: str, filters: Filters) -> Question:
        context = find_context(connection, self.world.server, user, None, datetime.now(UTC))
        search = search_for(context.asker, context.kinds)
        return Question(
            context.asker, filters, search, datetime.now(UTC), has_vectors=True, evidence=context.evidence, n_facets=len(context.labels)
        )

    def recommend(self, user: str, filters: Filters) -> Slate:
        with self.engine.begin() as connection:
            server, now = self.world.server, datetime.now(UTC)
            return recommend(connection, server, user, filters, limit=20, offset=0, explain=True, now=now, slate_id=uuid4())

    def n_eligible(self, user: str, filters: Filters) -> int:
        """Up to a hundred."""
        with self.engine.begin() as connection:
            question = replace(self.question(connection, user, filters).exactly(), explain=False)
            return len(retrieve(connection, self.world.server, question, first=0, last=128)[:100])


def build_library(postgres_url: str, n_items: int) -> Iterator[Library]:
    with scratch_database(postgres_url) as url:
        work, serve = working_engine(url), serving_engine(url, 2)
        migrate(work)
        yield Library(serve, build_world(work, "planted", n_items, 5, "", seed=1, dimension=128))
        work.dispose()
        serve.dispose()


@pytest.fixture(scope="module")
def large(postgres_url: str) -> Iterator[Library]:
    yield from build_library(postgres_url, 25_000)


@pytest.fixture(scope="module")
def ranked(large: Library) -> Library:
    """The large one with a space learned from behaviour beside, which a ranker asks for."""
    work = working_engine(large.engine.url.render_as_string(hide_password=False))
    plant_collab(work, large.world, seed=1, dimension=32)
    work.dispose()
    return large


@pytest.fixture(scope="module")
def small(postgres_url: str) -> Iterator[Library]:
    yield from build_library(postgres_url, 2_000)


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("user", [LIGHT_USER, HEAVY_USER])
def test_a_large_library_is_searched_by_its_index_under_a_nested_loop_anti_join(
    large: Library, user: str, limits: dict[str, Any], filters: Filters
) -> None:
    plan = large.plan(user, filters, **limits)
    [search] = [node for node in plan.walk() if node.index.endswith("_hnsw")]
    assert {node.join for node in plan.walk() if "Anti" in node.join} == {"Nested Loop Anti"}
    assert any(node.index == "items_popularity_idx" for node in plan.walk())
    assert is_read_as_far_as_needed(plan, search)


def is_read_as_far_as_needed(plan: Node, search: Node) -> bool:
    """Between the index and the LIMIT that ends its scan nothing sorts or hashes."""
    above = [node.type for node in plan.path_to(search)]
    return set(above[len(above) - above[::-1].index("Limit") :]) == {"Nested Loop"}


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("user", [LIGHT_USER, HEAVY_USER])
def test_what_a_ranker_puts_in_order_is_found_by_an_index_of_each_space(
    ranked: Library, user: str, limits: dict[str, Any], filters: Filters
) -> None:
    finding, dressing = ranked.plans_with_a_ranker(user, filters, **limits)
    searches = [node for node in finding.walk() if node.index.endswith("_hnsw")]
    assert len({node.index for node in searches}) == len(searches) == 2
    assert all(is_read_as_far_as_needed(finding, search) for search in searches)
    assert {node.join for node in finding.walk() if "Anti" in node.join} == {"Nested Loop Anti"}
    assert any(node.index == "items_popularity_idx" for node in finding.walk())
    read_whole = {node.relation for plan in (finding, dressing) for node in plan.walk() if node.type == "Seq Scan"}
    assert not {
        name for name in read_whole if name.startswith(("shelf_", "shared_")) or name in ("items", "entries", "engagement", "tastes")
    }


@pytest.mark.parametrize("filters", FILTERS)
def test_a_small_library_is_scanned_exactly(small: Library, filters: Filters) -> None:
    plan = small.plan(LIGHT_USER, filters)
    assert not [node for node in plan.walk() if node.index.endswith("_hnsw")]
    assert [node for node in plan.walk() if node.relation == "shared_128"]


@pytest.mark.parametrize("filters", [*FILTERS, SELECTIVE])
@pytest.mark.parametrize("user", [LIGHT_USER, HEAVY_USER])
def test_neither_a_filter_nor_a_heavy_user_makes_a_short_list(large: Library, small: Library, user: str, filters: Filters) -> None:
    for library in (large, small):
        n_items = len(library.recommend(user, filters).items)
        assert n_items == min(20, library.n_eligible(user, filters))


def test_the_selective_filter_leaves_enough_to_be_short_of(large: Library) -> None:
    assert large.n_eligible(HEAVY_USER, SELECTIVE) >= 20
