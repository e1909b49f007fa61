"""A revision goes live only where it is no worse than the live one on what neither has learned from."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.db import Engine, spaces
from app.learn.next_item import Parameters
from app.types import Server, Space
from jobs.gate import HELD_OUT, LONGEST_LIFE, MIN_CASES, Verdict
from jobs.learn_collab import Learned
from tests.db.household import episode, series, user
from tests.jobs.town import N_FILMS, N_PEOPLE, Town, in_line

# What everybody watches next is as good as forgotten.
BAD = Parameters(rank=1, ridge=1e9, item_ridge=1e9, popularity_exponent=-2.0)


@pytest.fixture
def town(engine: Engine, server: Server, now: Any) -> Town:
    """Everybody's ten films are three weeks old."""
    town = Town(engine, server, now - timedelta(days=20))
    town.now = now
    return town


def watch_on(town: Town, n_people: int = N_PEOPLE, days_ago: float = 4) -> None:
    """Each goes on to the next two films of their side."""
    town.watch_all((f"u{number}", in_line(number, step), days_ago - step / 10) for number in range(n_people) for step in (10, 11))


def learn(town: Town, days_ago: float = 0, **options: Any) -> Learned:
    later = town.now
    town.now = later - timedelta(days=days_ago)
    done = town.learn(**options)
    town.now = later
    return done


def judged(done: Learned) -> Verdict:
    assert done.verdict is not None
    return done.verdict


def in_status(town: Town, status: str) -> list[tuple[int, dict[str, Any]]]:
    sql = "SELECT id, card FROM spaces WHERE server_id = :server_id AND kind = 'collab' AND status = :status ORDER BY id"
    with town.engine.begin() as connection:
        return [(row.id, row.card) for row in connection.execute(text(sql), {"server_id": town.server.id, "status": status})]


def live(town: Town) -> Space:
    with town.engine.begin() as connection:
        found = spaces.live_space(connection, town.server.id, "collab")
    assert found is not None
    return found


def test_the_first_one_has_nothing_to_be_worse_than(town: Town) -> None:
    done = town.learn()
    assert (done.verdict, done.went_live) == (None, True)


def test_one_that_is_no_worse_takes_the_place_and_says_how_it_compared(town: Town) -> None:
    learn(town, days_ago=30)
    watch_on(town)
    done = town.learn()
    verdict = judged(done)
    assert (done.went_live, verdict.n_cases, verdict.held_from) == (True, N_PEOPLE, town.now - HELD_OUT)
    assert verdict.ndcg_10 is not None
    assert verdict.ndcg_10 > 0.1
    assert live(town).id == done.space_id
    [(_, card)] = in_status(town, "live")
    assert card["verdict"]["ndcg_10"] == verdict.ndcg_10
    assert card["verdict"]["is_worse"] is False


@pytest.mark.parametrize("learned_days_ago", [2, 30])
def test_a_worse_one_is_kept_with_its_figures_and_answers_nobody(town: Town, learned_days_ago: float) -> None:
    """Whether the live one has seen what is held out (then it is learned anew without) or not."""
    if learned_days_ago == 2:
        watch_on(town)
    good = learn(town, learned_days_ago)
    if learned_days_ago == 30:
        watch_on(town)
    before = town.names("u0")
    done = town.learn(parameters=BAD)
    verdict = judged(done)
    assert (done.went_live, verdict.is_worse, verdict.n_cases) == (False, True, N_PEOPLE)
    assert verdict.ndcg_10 is not None
    assert verdict.live_ndcg_10 is not None
    assert verdict.ndcg_10 < verdict.live_ndcg_10
    assert live(town).id == good.space_id
    assert town.names("u0") == before
    [(space_id, card)] = in_status(town, "candidate")
    assert space_id == done.space_id
    assert card["verdict"]["is_worse"] is True


def test_one_candidate_is_kept_until_a_revision_goes_live(town: Town) -> None:
    learn(town, days_ago=30)
    watch_on(town)
    town.learn(parameters=BAD)
    second = town.learn(parameters=replace(BAD, ridge=2e9))
    assert [space_id for space_id, _ in in_status(town, "candidate")] == [second.space_id]
    assert town.learn().went_live
    assert in_status(town, "candidate") == []


def test_what_is_forced_goes_live_unasked(town: Town) -> None:
    learn(town, days_ago=30)
    watch_on(town)
    done = town.learn(parameters=BAD, is_judged=False)
    assert (done.verdict, done.went_live) == (None, True)
    assert live(town).id == done.space_id


def test_too_few_say_nothing(town: Town) -> None:
    learn(town, days_ago=30)
    watch_on(town, MIN_CASES - 1)
    verdict = judged(town.learn(parameters=BAD))
    assert (verdict.n_cases, verdict.ndcg_10, verdict.is_worse) == (MIN_CASES - 1, None, False)
    assert f"{MIN_CASES - 1} people began anything since" in str(verdict)


def test_an_import_that_spoils_what_was_known_is_noticed(town: Town) -> None:
    """The same recipe, and what was watched before the live revision was learned has changed since."""
    watch_on(town, days_ago=12)
    good = learn(town, days_ago=9)
    town.watch_all((f"u{number}", in_line(number, 12), 3) for number in range(N_PEOPLE))
    chance = np.random.default_rng(1)
    strangers = [f"stranger {number}" for number in range(150)]
    town.house.tell("users", [user(name) for name in strangers])
    chosen = {name: chance.permutation(N_FILMS)[:20].tolist() for name in strangers}
    town.watch_all((name, f"f{number}", 30 - step) for name in strangers for step, number in enumerate(chosen[name]))
    done = town.learn()
    verdict = judged(done)
    assert verdict.held_from == town.now - timedelta(days=9)
    assert (verdict.is_worse, done.went_live) == (True, False)
    assert live(town).id == good.space_id


def test_that_the_live_one_still_knows_who_left_is_no_merit(town: Town) -> None:
    """A hundred people who watch in one order, of whom three in four leave after the live revision was learned."""
    informants = [f"informant {number}" for number in range(76)]
    town.house.tell("users", [user(name) for name in informants])
    town.watch_all((name, in_line(number, step), 30 - step) for number, name in enumerate(informants) for step in range(12))
    learn(town, days_ago=3)
    watch_on(town, days_ago=1)
    with town.engine.begin() as connection:
        opted_out = text("UPDATE users SET is_opted_out = true WHERE server_id = :id AND external_id LIKE 'informant%'")
        connection.execute(opted_out, {"id": town.server.id})
    done = town.learn()
    verdict = judged(done)
    # Learned anew by the same recipe, without them.
    assert verdict.ndcg_10 == verdict.live_ndcg_10
    assert done.went_live


def test_nothing_is_refused_for_ever(town: Town) -> None:
    learn(town, days_ago=30)
    watch_on(town)
    assert not town.learn(parameters=BAD).went_live
    town.now += LONGEST_LIFE
    watch_on(town, days_ago=1)
    # The live one is too old to be asked as it stands: its recipe is learned anew, and is no better than itself.
    done = town.learn()
    assert done.went_live


def test_a_night_is_judged_by_series_too(town: Town) -> None:
    learn(town, days_ago=9)
    town.house.tell("items", [series("s"), *(episode(f"e{number}", "s", number, runtime_seconds=1800) for number in (1, 2, 3))])
    town.watch_all((f"u{number}", f"e{step}", 3 - step / 10) for number in range(N_PEOPLE) for step in (1, 2))
    assert judged(town.learn()).n_cases == N_PEOPLE
