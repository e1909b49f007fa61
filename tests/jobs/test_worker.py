"""What the worker starts by itself."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from app.db import Engine, spaces
from app.db.engine import working_engine
from app.db.events import LearningState, learning_state
from app.db.servers import put_server
from app.db.watch_through import CountState
from jobs import worker
from jobs.worker import Worker, is_learning_due, is_nightly_due
from migrations.migrate import migrate
from tests.db.shown import Shown
from tests.jobs.town import Town
from tests.jobs.two_models import TwoModels
from tests.recommend.test_pipeline import play

NOON, NIGHT = datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2026, 5, 1, 3, tzinfo=UTC)


def learned(hours_ago: float, now: datetime, *, is_new: bool = True) -> LearningState:
    return LearningState(now - timedelta(hours=hours_ago), {"engagement": 10}, {"engagement": 11 if is_new else 10}, 5, 500)


@pytest.mark.parametrize(
    ("state", "now", "is_due"),
    [
        # Never learned: at once where there is enough, else at night, and not for one person alone.
        (LearningState(None, None, {}, 2, 500), NOON, True),
        (LearningState(None, None, {}, 2, 499), NOON, False),
        (LearningState(None, None, {}, 2, 20), NIGHT, True),
        (LearningState(None, None, {}, 2, 19), NIGHT, False),
        (LearningState(None, None, {}, 1, 500), NIGHT, False),
        # Then at night, or by day where the machine was off at night, as long as there is anything new.
        (learned(23, NIGHT), NIGHT, True),
        (learned(23, NIGHT, is_new=False), NIGHT, False),
        (learned(2, NIGHT), NIGHT, False),
        (learned(29, NOON), NOON, False),
        (learned(31, NOON), NOON, True),
        # The night is where the machine is.
        (learned(23, NOON), NOON.astimezone(timezone(timedelta(hours=-9))), True),
    ],
)
def test_when_learning_is_due(state: LearningState, now: datetime, is_due: bool) -> None:
    assert is_learning_due(state, now) is is_due


TWO_DAYS_AGO, YESTERDAY = date(2026, 4, 29), date(2026, 4, 30)


@pytest.mark.parametrize(
    ("counted_on", "last_on", "hours_ago", "now", "is_due"),
    [
        # At night, and once.
        (None, None, None, NIGHT, True),
        (YESTERDAY, TWO_DAYS_AGO, 24, NIGHT, True),
        (YESTERDAY, TWO_DAYS_AGO, 1, NIGHT, False),
        # By day only where a night was missed.
        (None, None, None, NOON, False),
        (TWO_DAYS_AGO, TWO_DAYS_AGO, None, NOON, False),
        (None, TWO_DAYS_AGO, None, NOON, True),
        (date(2026, 4, 1), TWO_DAYS_AGO, None, NOON, True),
        (date(2026, 4, 1), TWO_DAYS_AGO, 9, NOON, False),
    ],
)
def test_when_the_nightly_jobs_are_due(
    counted_on: date | None, last_on: date | None, hours_ago: float | None, now: datetime, is_due: bool
) -> None:
    done_at = None if hours_ago is None else now - timedelta(hours=hours_ago)
    assert is_nightly_due(CountState(counted_on, last_on, last_on), done_at, now) is is_due


@pytest.fixture
def alone(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database of its own: the worker looks after every server that there is."""
    monkeypatch.setenv("PALATE_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("PALATE_DATA_DIR", str(tmp_path))
    engine = working_engine(empty_database_url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_server_where_enough_was_watched_is_learned_from_once(alone: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ENOUGH_AT_ONCE", 100)
    with alone.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    town = Town(alone, server, now)
    working = Worker(alone, "no-such-model", 90, 7)
    working.look()
    with alone.begin() as connection:
        first = spaces.live_space(connection, server.id, "collab")
        state = learning_state(connection, server.id, 1000)
    assert first is not None
    assert (state.learned_people, state.n_seen) == (state.people, 240)
    town.watch("new", "f1", 1)
    with alone.begin() as connection:
        assert learning_state(connection, server.id, 1000).people != state.people
    # Something is new, and it is not yet time.
    Worker(alone, "no-such-model", 90, 7).look()
    with alone.begin() as connection:
        assert spaces.live_space(connection, server.id, "collab") == first


def test_lost_vectors_are_noticed_without_a_model_and_the_kept_space_is_fresh_and_goes_in_time(
    alone: Engine, blue: str, green: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    two = TwoModels(alone, server, blue, green)
    kept, live = two.change()
    two.send(plays=[play("ada", "k2", 0.1)])
    Worker(alone, "no-such-model", 90, 7).look()
    raised = [row.space_id for row in two.rows("tastes", "space_id, engagement_version", "space_id, user_id") if row.engagement_version > 1]
    assert raised == [kept.id, live.id]
    two.delete_vectors(live)
    Worker(alone, "no-such-model", 90, 7).look()
    assert (two.live().id, two.live().fault) == (kept.id, "previous_text_space")
    two.embed(green)
    monkeypatch.setattr(worker, "NIGHT_HOURS", range(24))
    Worker(alone, "no-such-model", 90, 7).look()
    assert two.statuses() == {"blue": "kept", "green": "live"}
    Worker(alone, "no-such-model", 90, 0).look()
    assert two.statuses() == {"green": "live"}


def test_the_time_that_a_job_takes_does_not_put_off_the_next_look(alone: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ENOUGH_AT_ONCE", 100)
    with alone.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    Town(alone, server, now)
    working = Worker(alone, "no-such-model", 90, 7)
    started = time.monotonic()
    working.look()
    assert 0 < working.worked_seconds < time.monotonic() - started
    working.look()
    assert working.worked_seconds == 0


def test_what_failed_is_not_tried_at_each_look(alone: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ENOUGH_AT_ONCE", 100)
    monkeypatch.setattr(worker, "LOOK_FOR_LEARNING_EVERY_SECONDS", 0.0)
    tried = []
    monkeypatch.setattr(Worker, "_run", lambda _self, name, server: tried.append((name, server.external_id)))
    with alone.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
        put_server(connection, "other", "Other", "api", {"preset": "streamystats"})
    Town(alone, server, now)
    working = Worker(alone, "no-such-model", 90, 7)
    working.look()
    working.look()
    assert tried == [("learn", "home")]


def test_a_missed_night_is_made_up_for_once(alone: Engine, now: datetime) -> None:
    with alone.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    town, shown = Town(alone, server, now), Shown(alone, server)
    for days_ago in (100, 4):
        shown.show("new", now - timedelta(days=days_ago), "f1")
    town.watch("new", "f1", 3)
    working = Worker(alone, "no-such-model", 90, 7)
    working.look()
    assert shown.rows("watch_through", "source, n_shown, n_watched") == [("any", 1, 1), ("text", 1, 1)]
    assert len(shown.rows("slates", "id")) == 1
    shown.show("new", now - timedelta(days=5), "f2")
    working.look()
    assert len(shown.rows("watch_through", "day")) == 2
