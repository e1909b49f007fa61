"""Served rows ask the real statement: what it answers is what the matrix says, where nothing else has a word."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.db import Engine
from app.db.engine import serving_engine, working_engine
from app.db.scratch import scratch_database
from app.learn import two_tower
from app.learn.collaborative import NextItem
from app.learn.events import Task
from app.learn.next_item import Parameters
from app.types import Server, unseen
from jobs.evaluate import compare
from jobs.evaluate_served import SERVED, Served, served_recommenders
from jobs.evaluation_data import Library, read_server_events
from jobs.past import Learning
from migrations.migrate import migrate
from tests.learn.invented import case_of, two_tastes

PARAMETERS = Parameters(rank=6)
TOWERS = two_tower.Parameters(dimension=8, n_before=8, n_moments=6, n_stretches=2, batch=20, n_epochs=4, min_steps=60, n_drawn=20)
N_ITEMS = 40


@pytest.fixture(scope="module")
def engines(postgres_url: str) -> Iterator[tuple[Engine, Engine]]:
    with scratch_database(postgres_url) as url:
        work, serve = working_engine(url), serving_engine(url, 1)
        migrate(work)
        yield work, serve
        work.dispose()
        serve.dispose()


@pytest.fixture(scope="module")
def library() -> Library:
    made = Library([{"item_id": f"f{number}", "type": "movie", "name": f"Film {number}"} for number in range(N_ITEMS)], "none")
    vectors = np.random.default_rng(2).standard_normal((N_ITEMS, 12)).astype(np.float32)
    vars(made)["text_vectors"] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made


@pytest.fixture(scope="module")
def task() -> Task:
    train = two_tastes(n_items=N_ITEMS)
    # One who was learned from, one who was not.
    mine = train.items[train.users == 0].tolist()
    return Task(train, [case_of(0, mine, [mine[0]]), case_of(60, [1, 3, 5, 7, 9, 11], [13])])


def served(name: str, engines: tuple[Engine, Engine], library: Library) -> Served:
    found = served_recommenders(*engines, Learning(PARAMETERS, TOWERS))[name]("last-tenth", library)
    assert isinstance(found, Served)
    return found


def test_the_statement_answers_what_the_matrix_says(engines: tuple[Engine, Engine], library: Library, task: Task) -> None:
    by_matrix = NextItem(6, PARAMETERS)
    by_matrix.fit(task.train)
    asked = served("collab (served)", engines, library)
    asked.fit(task.train)
    for expected, found in zip(by_matrix.recommend(task.cases, 8).tolist(), asked.recommend(task.cases, 8).tolist(), strict=True):
        # Half precision may turn a near tie.
        assert len(set(expected) & set(found)) >= 7
        assert expected[0] == found[0]


@pytest.mark.parametrize("name", list(SERVED))
def test_a_served_list_is_full_and_holds_nothing_seen(name: str, engines: tuple[Engine, Engine], library: Library, task: Task) -> None:
    report = compare([task], "last-tenth", library, {name: lambda _p, _l: served(name, engines, library)}, 0, unseen)
    assert [row["recommender"] for row in report["results"]] == [name]
    asked = served(name, engines, library)
    asked.fit(task.train)
    assert (asked.recommend(task.cases, 20) >= 0).all()
    assert json.dumps(report)


def test_who_belongs_to_a_side_is_shown_it(engines: tuple[Engine, Engine], library: Library, task: Task) -> None:
    asked = served("fused (served)", engines, library)
    asked.fit(task.train)
    lists = asked.recommend(task.cases, 10)
    assert (lists[0, :5] % 2 == 0).sum() >= 4
    assert (lists[1, :5] % 2 == 1).sum() >= 4


def test_the_last_person_is_asked_too_where_they_watched_nothing(engines: tuple[Engine, Engine], library: Library, task: Task) -> None:
    asked = served("fused (served)", engines, library)
    asked.fit(replace(task.train, n_users=task.train.n_users + 1))
    lists = asked.recommend([case_of(task.train.n_users, [], [0]), task.cases[0]], 5)
    assert (lists >= 0).all()


def test_a_server_is_read_in_the_order_of_its_watching(engine: Engine, demo_server: Server) -> None:
    watched, cut, library = read_server_events(engine, demo_server, "none", 0.1)
    seen, at = watched.events, watched.begun_at
    assert len(seen) == len(at)
    assert seen.n_items == len(library.bodies)
    assert np.nanmin(at) < cut < np.nanmax(at)
    assert 0 < (at > cut).sum() < len(at) / 2
    for user in range(seen.n_users):
        # What was begun later stands behind what is known at the cut.
        mine = at[(seen.users == user) & ~np.isnan(at)]
        assert (np.diff((mine > cut).astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ([{"added_at": "2026-01-31T00:00:00Z", "year": 1950}, {"added_at": "2026-01-01T12:00:00Z"}, {}], ([0, 29.5, np.nan], False)),
        ([{"year": 2000}, {"year": 1980, "added_at": None}, {"year": None}], ([0, 20 * 365, np.nan], True)),
        ([{}, {}], ([np.nan, np.nan], True)),
    ],
)
def test_an_item_is_as_old_as_it_is_here_or_else_as_its_year(bodies: list[Any], expected: tuple[list[float], bool]) -> None:
    age_days, is_in_years = Library(bodies, "none").item_ages
    np.testing.assert_allclose(age_days, expected[0])
    assert is_in_years is expected[1]
