"""What the worker starts by itself."""

from datetime import datetime

import pytest

from app.db import spaces
from app.db.events import LearningState, learning_state
from app.db.locks import only_one
from app.types import Server
from jobs import worker
from jobs.steps import is_learning_due
from jobs.worker import Clock, Looker
from tests.db.household import House, film, play, user
from tests.jobs.conftest import MakeHome
from tests.jobs.town import Town
from tests.jobs.two_models import TwoModels
from tests.jobs.working import Queue, until
from tests.recommend.test_pipeline import play as a_play


@pytest.mark.parametrize(
    ("state", "is_due"),
    [
        # Never learned: where there is enough, and not for one person alone.
        (LearningState(None, None, {}, 2, 20), True),
        (LearningState(None, None, {}, 2, 19), False),
        (LearningState(None, None, {}, 1, 500), False),
        # Then as long as there is anything new.
        (LearningState(datetime(2026, 5, 1), {"engagement": 10}, {"engagement": 11}, 5, 500), True),
        (LearningState(datetime(2026, 5, 1), {"engagement": 10}, {"engagement": 10}, 5, 500), False),
    ],
)
def test_when_learning_is_due(state: LearningState, is_due: bool) -> None:
    assert is_learning_due(state, 20) is is_due


@pytest.fixture
def looker(queue: Queue) -> Looker:
    queue.settings.embedding_model = "no-such-model"
    return Looker(queue.engine, queue.settings)


def names(queue: Queue, server: Server) -> list[str]:
    return [job.name for job in queue.jobs() if job.server == server.external_id and job.status == "queued"]


def test_a_server_where_enough_was_watched_is_learned_from_once(
    queue: Queue, make_home: MakeHome, looker: Looker, now: datetime, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    monkeypatch.setattr(worker, "ENOUGH_AT_ONCE", 100)
    monkeypatch.setattr(worker, "LOOK_FOR_LEARNING_EVERY_SECONDS", 0.0)
    home = make_home("home")
    town = Town(queue.engine, home, now)
    looker.look()
    looker.look()
    assert names(queue, home) == ["learn-collab"]
    queue.drain()
    # There are too few events for the two that follow. Nobody asked for them: that is no fault.
    assert [(job.name, job.status) for job in queue.jobs()] == [
        ("learn-collab", "succeeded"), ("learn-two-tower", "succeeded"), ("train-ranker", "succeeded"),
    ]  # fmt: skip
    assert [bool(job.counters) for job in queue.jobs()] == [True, False, False]
    # Who asks for one by name is told.
    asked = queue.done("learn-two-tower", home)
    assert (asked.status, "20,000" in (asked.error or "")) == ("failed", True)
    with queue.engine.begin() as connection:
        assert spaces.live_space(connection, home.id, "collab") is not None
        state = learning_state(connection, home.id, 1000)
    assert (state.learned_people, state.n_seen) == (state.people, 240)
    town.watch("new", "f1", 1)
    looker.look()
    assert names(queue, home) == []


def test_what_failed_is_not_tried_at_each_look(queue: Queue, make_home: MakeHome, looker: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ENOUGH_AT_ONCE", 20)
    monkeypatch.setattr(worker, "LOOK_FOR_LEARNING_EVERY_SECONDS", 0.0)
    home, text_alone = make_home("home"), make_home("text", preset="streamystats")
    for server in (home, text_alone):
        house = House(queue.engine, server.id)
        house.items(*(film(f"f{number}") for number in range(10)))
        house.users(user("ada"), user("bob"))
        house.plays(*(play(who, f"f{number}", percent=100) for number in range(10) for who in ("ada", "bob")))
    looker.look()
    assert names(queue, text_alone) == []
    queue.query("UPDATE jobs SET status = 'failed', finished_at = now()")
    looker.look()
    assert names(queue, home) == []
    queue.query("UPDATE jobs SET finished_at = now() - interval '21 hours'")
    looker.look()
    assert names(queue, home) == ["learn-collab"]
    # Nor is what found nothing to learn.
    queue.query("UPDATE jobs SET status = 'succeeded', finished_at = now()")
    looker.look()
    assert names(queue, home) == []


def test_new_titles_are_embedded_at_once_and_a_missing_model_waits(queue: Queue, make_home: MakeHome) -> None:
    home = make_home("home")
    House(queue.engine, home.id).items(film("a"))
    queue.settings.embedding_model = "no-such-model"
    Looker(queue.engine, queue.settings).look()
    assert names(queue, home) == []
    queue.settings.embedding_model = "sentence-transformers/all-MiniLM-L6-v2"
    looker = Looker(queue.engine, queue.settings)

    def asked_for() -> list[str]:
        looker.look()
        return names(queue, home)

    until(asked_for)
    assert asked_for() == ["embed-items"]


def test_a_missed_night_is_made_up_for_once(queue: Queue, make_home: MakeHome) -> None:
    home = make_home("home", time_zone="UTC")
    Clock(queue.engine, queue.settings).look()
    assert names(queue, home) == []
    queue.query("UPDATE servers SET created_at = now() - interval '8 days'")
    for _ in range(2):
        Clock(queue.engine, queue.settings).look()
    assert sorted({"watch-through", "prune", "embed-items", "learn-collab", "refresh-tastes", "skew"} - set(names(queue, home))) == []
    assert len(names(queue, home)) == len(set(names(queue, home)))


def test_of_two_workers_one_looks(queue: Queue, make_home: MakeHome, looker: Looker) -> None:
    home = make_home("home")
    House(queue.engine, home.id).items(film("a"))
    with only_one(queue.engine, "look"):
        looker.look()
    prior = "SELECT prior FROM items WHERE server_id = :id"
    assert queue.query(prior, id=home.id) == [(0,)]
    looker.look()
    assert queue.query(prior, id=home.id) != [(0,)]


def test_lost_vectors_are_noticed_without_a_model_and_the_kept_space_is_fresh(
    queue: Queue, make_home: MakeHome, blue: str, green: str
) -> None:
    two = TwoModels(queue.engine, make_home("home"), blue, green)
    kept, live = two.change()
    two.send(plays=[a_play("ada", "k2", 0.1)])
    queue.settings.embedding_model = "no-such-model"
    looker = Looker(queue.engine, queue.settings)
    looker.look()
    raised = [row.space_id for row in two.rows("tastes", "space_id, engagement_version", "space_id, user_id") if row.engagement_version > 1]
    assert raised == [kept.id, live.id]
    two.delete_vectors(live)
    looker.look()
    assert (two.live().id, two.live().fault) == (kept.id, "previous_text_space")


def test_a_space_that_is_kept_goes_in_time(queue: Queue, make_home: MakeHome, blue: str, green: str) -> None:
    home = make_home("home")
    two = TwoModels(queue.engine, home, blue, green)
    two.change()
    for days, left in ((7, {"blue": "kept", "green": "live"}), (0, {"green": "live"})):
        queue.settings.kept_space_days = days
        queue.ask("prune", home)
        queue.drain()
        assert two.statuses() == left
