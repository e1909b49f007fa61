"""What the worker starts by itself."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from app.db import Engine, spaces
from app.db.engine import working_engine
from app.db.events import LearningState, learning_state
from app.db.servers import put_server
from jobs import worker
from jobs.worker import Worker, is_learning_due
from migrations.migrate import migrate
from tests.jobs.town import Town

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
    working = Worker(alone, "no-such-model")
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
    Worker(alone, "no-such-model").look()
    with alone.begin() as connection:
        assert spaces.live_space(connection, server.id, "collab") == first


def test_the_time_that_a_job_takes_does_not_put_off_the_next_look(alone: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ENOUGH_AT_ONCE", 100)
    with alone.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    Town(alone, server, now)
    working = Worker(alone, "no-such-model")
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
    working = Worker(alone, "no-such-model")
    working.look()
    working.look()
    assert tried == [("learn", "home")]
