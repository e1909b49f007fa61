"""A two-tower space from the first play to tastes, and on from where it was stopped."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from app.db import Engine, spaces
from app.db.tastes import stale_users
from app.errors import NothingToLearn
from app.learn.two_tower import Parameters
from app.taste.recipes import recipe_of
from app.types import Server, unseen
from jobs.learn_two_tower import learn_two_tower
from tests.jobs.town import N_FILMS, N_PEOPLE, Town

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = Parameters(dimension=8, n_before=8, n_moments=6, n_stretches=2, batch=20, n_epochs=4, min_steps=60, n_drawn=20)


class Stopped(Exception):
    pass


@pytest.fixture
def town(engine: Engine, server: Server, now: datetime) -> Town:
    return Town(engine, server, now)


def vectors_of(engine: Engine, server: Server) -> np.ndarray:
    with engine.begin() as connection:
        live = spaces.live_space(connection, server.id, "two_tower")
        assert live is not None
        assert spaces.read_card(connection, live)["n_items"] == N_FILMS
        return spaces.read_learned_vectors(connection, live)


def test_a_space_is_learned_and_live_and_everybody_has_a_taste_in_it(town: Town, engine: Engine, server: Server, now: datetime) -> None:
    done = learn_two_tower(engine, server, now, unseen, parameters=SMALL)
    assert (done.went_live, done.n_events, done.n_items) == (True, N_PEOPLE * 10, N_FILMS)
    assert len(vectors_of(engine, server)) == N_FILMS
    with engine.begin() as connection:
        live = spaces.live_space(connection, server.id, "two_tower")
        assert live is not None
        # Only those who watched nothing have none.
        assert stale_users(connection, live, recipe_of(server, "two_tower").name, now) == []


def test_the_next_revision_takes_its_place(town: Town, engine: Engine, server: Server, now: datetime) -> None:
    first = learn_two_tower(engine, server, now, unseen, parameters=SMALL)
    town.watch("new", "f0", 1)
    second = learn_two_tower(engine, server, now, unseen, parameters=SMALL)
    with engine.begin() as connection:
        live = spaces.live_space(connection, server.id, "two_tower")
    assert live is not None
    assert live.id == second.space_id != first.space_id


def test_a_training_that_was_stopped_goes_on(town: Town, engine: Engine, server: Server, now: datetime, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stopped

    checkpoint = tmp_path / "towers.pt"
    with pytest.raises(Stopped):
        learn_two_tower(engine, server, now, stop, parameters=SMALL, checkpoint=checkpoint)
    begun: list[int] = []
    learn_two_tower(engine, server, now, lambda done, total: begun.append(done), parameters=SMALL, checkpoint=checkpoint)
    assert begun[0] == 2
    assert not checkpoint.exists()
    resumed = vectors_of(engine, server)
    learn_two_tower(engine, server, now, unseen, parameters=SMALL)
    assert (vectors_of(engine, server)["target"] == resumed["target"]).all()


def test_where_hardly_anything_was_watched_there_is_nothing_to_learn(engine: Engine, server: Server, now: datetime) -> None:
    with pytest.raises(NothingToLearn):
        learn_two_tower(engine, server, now, unseen, parameters=SMALL)
