"""Jobs run once, somewhere, are tried again, and say what they did."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from app.db import Engine
from app.db.jobs import finish_job, start_job, tell_progress
from app.db.locks import only_one
from app.db.queue import cancel, enqueue
from app.errors import JobOver, NotConnected, NotForOneUser, UnknownJobName, UnknownUser
from app.types import Server
from jobs.running import Told
from tests.db.household import House, film, play, user
from tests.jobs.conftest import MakeHome
from tests.jobs.working import Queue


@pytest.fixture
def home(make_home: MakeHome) -> Server:
    return make_home("home")


def tick(queue: Queue, name: str, server: Server, number: int) -> int:
    """As the clock starts it."""
    with queue.engine.begin() as connection:
        at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=number)
        job_id = enqueue(connection, name, server.id, None, at, datetime.now(UTC))  # type: ignore[arg-type]
    assert job_id is not None
    return job_id


def test_a_job_that_was_asked_for_says_what_it_did(queue: Queue, home: Server) -> None:
    House(queue.engine, home.id).items(film("a"), film("b"))
    waiting = queue.job(queue.ask("statistics", home))
    assert (waiting.status, waiting.server, waiting.started_at, waiting.is_over) == ("queued", "home", None, False)
    queue.drain()
    done = queue.job(waiting.id)
    assert (done.status, done.counters, done.error, done.attempt) == ("succeeded", {"n_items": 2}, None, 1)
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.queued_at <= done.started_at <= done.finished_at
    assert queue.query("SELECT id FROM procrastinate.procrastinate_jobs") == []


def test_what_waits_already_is_not_put_there_twice(queue: Queue, home: Server) -> None:
    House(queue.engine, home.id).users(user("ada"))
    first = queue.ask("refresh-tastes", home)
    assert queue.ask("refresh-tastes", home) == first
    others = {queue.ask("refresh-tastes", home, "ada"), queue.ask("refresh-tastes"), queue.ask("prune", home)}
    assert len(others | {first}) == 4
    queue.drain()
    assert {job.status for job in queue.jobs()} == {"succeeded"}
    assert queue.ask("refresh-tastes", home) not in others | {first}


def test_a_job_for_all_servers_adds_up_what_it_did(queue: Queue, make_home: MakeHome) -> None:
    for name, n_films in (("one", 2), ("two", 3)):
        House(queue.engine, make_home(name).id).items(*(film(f"f{number}") for number in range(n_films)))
    job = queue.done("statistics")
    assert (job.status, job.server, job.counters) == ("succeeded", None, {"n_servers": 2, "n_items": 5})
    assert (job.done, job.total) == (2, 2)


def test_a_server_is_never_refreshed_twice_at_once_for_itself_and_among_all(queue: Queue, make_home: MakeHome) -> None:
    home, other = make_home("home"), make_home("other")
    with only_one(queue.engine, f"refresh-tastes {home.id}"):
        own = queue.done("refresh-tastes", home)
        assert (own.status, own.error) == ("queued", "refresh-tastes is already running for this server.")
        everywhere = queue.done("refresh-tastes")
        # The other's are done; this one's come after those that are under way.
        assert (everywhere.status, everywhere.counters) == ("succeeded", {"n_servers": 1, "n_queued": 1, "n_tastes": 0})
    with only_one(queue.engine, f"refresh-tastes {other.id}"), only_one(queue.engine, f"refresh-tastes {home.id}"):
        assert queue.done("refresh-tastes").counters == {"n_servers": 0, "n_queued": 2}
    queue.query("UPDATE procrastinate.procrastinate_jobs SET scheduled_at = NULL")
    queue.drain()
    assert [(job.server, job.status) for job in queue.jobs()] == [
        ("home", "succeeded"), (None, "succeeded"), (None, "succeeded"), ("other", "succeeded"),
    ]  # fmt: skip


def test_an_unchanged_library_embeds_nothing_and_one_overview_one(
    queue: Queue, home: Server, in_this_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, films = House(queue.engine, home.id), [film(f"f{number}", overview=f"Story {number}.") for number in range(12)]
    house.items(*films)
    house.users(user("ada"), user("bob"))
    house.plays(play("ada", "f1", percent=100), play("bob", "f2", percent=100))

    def counters(number: int) -> dict[str, float]:
        job_id = tick(queue, "embed-items", home, number)
        queue.drain()
        return queue.job(job_id).counters

    assert counters(1) == {"n_encoded": 12, "n_tastes": 2, "n_live": 1}
    assert counters(2) == {"n_encoded": 0, "n_tastes": 0, "n_live": 0}
    house.items(films[3] | {"overview": "Another story."}, films[4] | {"community_rating": 9.0})
    assert counters(3)["n_encoded"] == 1
    assert counters(4)["n_encoded"] == 0


def test_one_new_play_recomputes_one_taste(queue: Queue, home: Server, in_this_process: None) -> None:
    house = House(queue.engine, home.id)
    house.items(*(film(f"f{number}") for number in range(8)))
    house.users(*(user(name) for name in ("ada", "bob", "eve")))
    house.plays(*(play(name, "f1", percent=100) for name in ("ada", "bob", "eve")))
    assert queue.done("embed-items", home).status == "succeeded"

    def n_tastes(number: int) -> float:
        job_id = tick(queue, "refresh-tastes", home, number)
        queue.drain()
        return queue.job(job_id).counters["n_tastes"]

    assert n_tastes(1) == 0
    house.plays(play("bob", "f2", percent=100))
    assert n_tastes(2) == 1
    assert n_tastes(3) == 0
    # Whoever asks gets all of them, or the one that is named.
    assert queue.done("refresh-tastes", home).counters == {"n_tastes": 3}
    assert queue.done("refresh-tastes", home, "eve").counters == {"n_tastes": 1}


def test_what_may_pass_is_tried_again_ever_later_and_then_has_failed(queue: Queue, home: Server) -> None:
    with only_one(queue.engine, f"skew {home.id}"):
        job_id = queue.ask("skew", home)
        waits = []
        for attempt in (1, 2, 3):
            queue.drain()
            job = queue.job(job_id)
            assert (job.status, job.attempt) == ("queued", attempt)
            assert job.error is not None
            assert "already running" in job.error
            [(wait,)] = queue.query("SELECT extract(epoch FROM scheduled_at - now()) FROM procrastinate.procrastinate_jobs")
            waits.append(float(wait))
            queue.query("UPDATE procrastinate.procrastinate_jobs SET scheduled_at = now()")
        queue.drain()
    assert queue.job(job_id).status == "failed"
    assert waits == pytest.approx([30, 120, 480], abs=3)
    assert queue.done("skew", home).status == "succeeded"


def test_what_will_not_pass_fails_at_once_and_says_why(queue: Queue, home: Server, in_this_process: None) -> None:
    job = queue.done("learn-collab", home)
    assert (job.status, job.attempt) == ("failed", 1)
    assert job.error is not None
    assert "Too little was watched" in job.error


def test_learning_by_the_clock_leaves_alone_what_is_not_worth_it(queue: Queue, home: Server) -> None:
    job_id = tick(queue, "learn-collab", home, 1)
    queue.drain()
    assert (queue.job(job_id).status, queue.job(job_id).counters) == ("succeeded", {})
    assert [job.name for job in queue.jobs()] == ["learn-collab"]


def test_a_home_in_which_nothing_can_be_measured_fails_nobodys_night(queue: Queue, home: Server, in_this_process: None) -> None:
    job_id = tick(queue, "evaluate", home, 1)
    queue.drain()
    assert (queue.job(job_id).status, queue.job(job_id).counters) == ("succeeded", {})
    asked_for = queue.done("evaluate", home)
    assert (asked_for.status, asked_for.attempt) == ("failed", 1)
    assert "Nothing was watched" in str(asked_for.error) or "nothing can be measured" in str(asked_for.error)


def test_a_job_that_waits_is_cancelled_at_once(queue: Queue, home: Server, engine: Engine) -> None:
    job_id = queue.ask("prune", home)
    with queue.engine.begin() as connection:
        cancel(connection, queue.job(job_id), datetime.now(UTC))
    assert queue.job(job_id).status == "cancelled"
    assert queue.query("SELECT id FROM procrastinate.procrastinate_jobs") == []
    with pytest.raises(JobOver), queue.engine.begin() as connection:
        cancel(connection, queue.job(job_id), datetime.now(UTC))


def test_a_job_that_runs_is_told_to_stop_when_it_tells_how_far_it_is(queue: Queue, home: Server) -> None:
    job_id = queue.ask("prune", home)
    with queue.engine.begin() as connection:
        job = start_job(connection, job_id, datetime.now(UTC))
        assert job is not None
        assert tell_progress(connection, job, 1, 10) is False
        cancel(connection, job, datetime.now(UTC))
        assert tell_progress(connection, job, 2, 10) is True
        assert queue.job(job_id).status == "queued"  # this transaction is not over
        assert finish_job(connection, job, "cancelled", datetime.now(UTC))
    assert (queue.job(job_id).status, queue.job(job_id).done) == ("cancelled", 2)


def test_progress_is_written_at_most_once_a_second(queue: Queue, home: Server) -> None:
    job_id = queue.ask("prune", home)
    with queue.engine.begin() as connection:
        job = start_job(connection, job_id, datetime.now(UTC))
    assert job is not None
    written: list[str] = []

    def count(_connection: object, _cursor: object, sql: str, *_rest: object) -> None:
        written.append(sql)

    event.listen(queue.engine, "before_cursor_execute", count)
    started = time.monotonic()
    told = Told(queue.engine, job, lambda: False)
    for done in range(20_000):
        told(done, 20_000)
    event.remove(queue.engine, "before_cursor_execute", count)
    assert 1 <= len(written) <= 1 + time.monotonic() - started
    assert queue.job(job_id).total == 20_000


def test_who_was_taken_for_dead_can_no_longer_write(queue: Queue, home: Server) -> None:
    job_id = queue.ask("prune", home)
    now = datetime.now(UTC)
    with queue.engine.begin() as connection:
        first = start_job(connection, job_id, now)
        second = start_job(connection, job_id, now)
        assert first is not None
        assert second is not None
        assert tell_progress(connection, first, 1, 2) is None
        assert not finish_job(connection, first, "failed", now)
        assert finish_job(connection, second, "succeeded", now, counters={"n_slates": 1})
        assert start_job(connection, job_id, now) is None


def test_what_cannot_be_asked_for_is_refused_clearly(queue: Queue, home: Server) -> None:
    with pytest.raises(UnknownJobName, match="embed-items, refresh-tastes, learn-collab"):
        queue.ask("embed", home)
    with pytest.raises(NotConnected, match="POST /ingest/items"):
        queue.ask("sync-library", home)
    with pytest.raises(UnknownUser):
        queue.ask("refresh-tastes", home, "nobody")
    for name, server in (("refresh-tastes", None), ("prune", home)):
        with pytest.raises(NotForOneUser, match="refresh-tastes"):
            queue.ask(name, server, "ada")
    assert queue.jobs() == []


def test_a_server_that_is_gone_takes_its_jobs_with_it(queue: Queue, home: Server) -> None:
    queue.ask("prune", home)
    queue.query("DELETE FROM servers WHERE id = :id", id=home.id)
    queue.drain()
    assert queue.jobs() == []
    assert queue.query("SELECT id FROM procrastinate.procrastinate_jobs") == []
