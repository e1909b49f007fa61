"""Workers that are killed, two at once, a stop, a clock set back: every job ends, once."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from app.db.locks import only_one
from app.db.looks import SILENT_FOR
from app.db.queue import cancel, enqueue, hand_back, queued_or_enqueued
from app.types import Server
from jobs.running import WAITS_SECONDS, Again, run_job
from jobs.worker import LONGEST_WAIT, MOST_LOST
from tests.db.household import House, film, play, user
from tests.jobs.conftest import MakeHome
from tests.jobs.working import Queue, children, until


def hand_back_now(queue: Queue) -> list[int]:
    with queue.engine.begin() as connection:
        return hand_back(connection, SILENT_FOR, MOST_LOST, LONGEST_WAIT)


def fill(queue: Queue, server: Server, n_films: int) -> House:
    house = House(queue.engine, server.id)
    house.items(*(film(f"f{number}", overview=f"Story {number}.") for number in range(n_films)))
    house.users(*(user(f"u{number}") for number in range(6)))
    house.plays(*(play(f"u{number % 6}", f"f{number}", percent=100) for number in range(min(n_films, 60))))
    return house


def test_a_job_whose_worker_is_killed_is_done_by_the_next(queue: Queue, make_home: MakeHome) -> None:
    home = make_home("home")
    fill(queue, home, 3)
    with queue.worker() as worker, queue.engine.connect() as holder:
        until(lambda: queue.query("SELECT id FROM procrastinate.procrastinate_workers"))
        # While it waits it holds nothing that learns or measures.
        loaded = Path(f"/proc/{worker.pid}/maps").read_text()
        assert not [name for name in ("torch", "scipy", "sklearn", "lightgbm", "polars") if f"/{name}/" in loaded]
        # The job waits for this lock, however fast the machine is.
        holder.execute(text("LOCK TABLE items"))
        job_id = queue.ask("statistics", home)
        until(lambda: queue.job(job_id).status == "running")
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert hand_back_now(queue) == []  # it may live yet
    queue.forget_workers()
    assert hand_back_now(queue) == [job_id]
    assert queue.job(job_id).status == "queued"
    queue.drain()
    job = queue.job(job_id)
    assert (job.status, job.attempt, job.error) == ("succeeded", 2, None)


def test_what_a_worker_writes_is_the_tests_own_output(queue: Queue, capfd: pytest.CaptureFixture[str]) -> None:
    """Which is searched for secrets (tests/planted.py)."""
    with queue.worker() as worker:
        until(lambda: queue.query("SELECT id FROM procrastinate.procrastinate_workers"))
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)
    written = capfd.readouterr()
    assert "worker started" in written.out + written.err


def test_a_stop_and_a_cancel_leave_no_child_and_no_job_behind(queue: Queue, make_home: MakeHome) -> None:
    home = make_home("home")
    fill(queue, home, 3)
    with queue.worker() as worker, queue.engine.connect() as holder:
        until(lambda: queue.query("SELECT id FROM procrastinate.procrastinate_workers"))
        holder.execute(text("LOCK TABLE spaces"))
        first = queue.ask("learn-collab", home)
        until(lambda: queue.job(first).status == "running" and children(worker.pid))
        [child] = children(worker.pid)
        with queue.engine.begin() as connection:
            cancel(connection, queue.job(first), datetime.now(UTC))
        until(lambda: queue.job(first).status == "cancelled")
        assert not os.path.exists(f"/proc/{child}")
        second = queue.ask("learn-collab", home)
        until(lambda: queue.job(second).status == "running" and children(worker.pid))
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)
        assert worker.returncode == 0
    # Handed back, not failed, and at once in the queue again.
    assert queue.job(second).status == "queued"
    assert queue.query("SELECT status::text, worker_id FROM procrastinate.procrastinate_jobs") == [("todo", None)]


def test_a_job_that_kills_its_workers_is_not_started_for_ever(queue: Queue, make_home: MakeHome) -> None:
    job_id = queue.ask("prune", make_home("home"))
    for number in range(1, MOST_LOST + 1):
        queue.query("UPDATE procrastinate.procrastinate_jobs SET status = 'doing'")
        queue.query("UPDATE jobs SET status = 'running'")
        assert hand_back_now(queue) == ([job_id] if number < MOST_LOST else [])
    assert (queue.job(job_id).status, queue.job(job_id).error) == ("failed", "Its worker died while it ran.")
    assert queue.query("SELECT id FROM procrastinate.procrastinate_jobs") == []


def test_restarts_of_the_worker_use_up_no_retries_and_no_deaths(queue: Queue, make_home: MakeHome) -> None:
    home = make_home("home")
    job_id = queue.ask("watch-through", home)
    for _ in range(MOST_LOST):
        with pytest.raises(Again) as stopped:
            run_job(queue.engine, queue.settings, job_id, is_stopping=lambda: True)
        assert stopped.value.seconds == 0
    with only_one(queue.engine, f"watch-through {home.id}"), pytest.raises(Again) as failed:
        run_job(queue.engine, queue.settings, job_id, is_stopping=lambda: False)
    assert failed.value.seconds == WAITS_SECONDS[0]
    # And a worker that dies after all that is the first that did.
    queue.query("UPDATE procrastinate.procrastinate_jobs SET status = 'doing'")
    queue.query("UPDATE jobs SET status = 'running'")
    assert hand_back_now(queue) == [job_id]
    queue.drain()
    assert queue.job(job_id).status == "succeeded"


def test_what_ended_without_the_queue_hearing_of_it_is_put_right(queue: Queue, make_home: MakeHome) -> None:
    ended, lost = queue.ask("prune", make_home("home")), queue.ask("skew", make_home("other"))
    queue.query("INSERT INTO procrastinate.procrastinate_workers DEFAULT VALUES")
    queue.query(
        "UPDATE procrastinate.procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate.procrastinate_workers) "
        "WHERE args->>'job_id' = :id",
        id=str(ended),
    )
    queue.query("UPDATE jobs SET status = 'succeeded' WHERE id = :id", id=ended)
    queue.query("DELETE FROM procrastinate.procrastinate_jobs WHERE args->>'job_id' = :id", id=str(lost))
    hand_back_now(queue)
    assert (queue.job(ended).status, queue.job(lost).status) == ("succeeded", "failed")
    # Only a moment ago it was started: it may be telling the queue just now.
    assert len(queue.query("SELECT id FROM procrastinate.procrastinate_jobs")) == 1
    queue.query("UPDATE procrastinate.procrastinate_events SET at = at - interval '1 hour'")
    hand_back_now(queue)
    assert queue.query("SELECT id FROM procrastinate.procrastinate_jobs") == []
    assert queue.job(ended).status == "succeeded"


def test_a_clock_that_was_ahead_keeps_no_dead_worker_alive(queue: Queue, make_home: MakeHome) -> None:
    job_id = queue.ask("prune", make_home("home"))
    queue.query("INSERT INTO procrastinate.procrastinate_workers (last_heartbeat) VALUES (now() + interval '1 day')")
    queue.query(
        "UPDATE procrastinate.procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate.procrastinate_workers)"
    )
    queue.query("UPDATE jobs SET status = 'running'")
    assert hand_back_now(queue) == []
    queue.query("UPDATE procrastinate.procrastinate_workers SET last_heartbeat = last_heartbeat - interval '31 seconds'")
    assert hand_back_now(queue) == [job_id]


def test_a_clock_that_was_ahead_keeps_no_job_waiting_nor_those_behind_it(queue: Queue, make_home: MakeHome) -> None:
    home = make_home("home")
    with only_one(queue.engine, f"skew {home.id}"):
        failed = queue.done("skew", home).id
    waiting = queue.ask("prune", home)
    # As a worker whose clock is a day ahead writes it.
    queue.query("UPDATE procrastinate.procrastinate_jobs SET scheduled_at = coalesce(scheduled_at, now()) + interval '1 day'")
    with queue.engine.begin() as connection:
        behind = enqueue(connection, "prune", home.id, None, datetime(2026, 5, 1, tzinfo=UTC), datetime.now(UTC))
    queue.drain()
    assert {job.status for job in queue.jobs()} == {"queued"}
    hand_back_now(queue)
    queue.drain()
    assert {job.id: job.status for job in queue.jobs()} == dict.fromkeys((waiting, failed, behind), "succeeded")


def test_what_waits_for_its_time_is_left_waiting(queue: Queue, make_home: MakeHome) -> None:
    with queue.engine.begin() as connection:
        queued_or_enqueued(connection, "prune", make_home("home").id, None, datetime.now(UTC), LONGEST_WAIT)
    # On a machine whose clock is a little ahead.
    queue.query("UPDATE procrastinate.procrastinate_jobs SET scheduled_at = scheduled_at + interval '30 seconds'")
    before = queue.query("SELECT scheduled_at FROM procrastinate.procrastinate_jobs")
    hand_back_now(queue)
    assert queue.query("SELECT scheduled_at FROM procrastinate.procrastinate_jobs") == before


ROUNDS = 20


@pytest.mark.soak
@pytest.mark.parametrize("number", range(ROUNDS))
def test_two_workers_started_at_once_do_each_job_of_a_night_once(queue: Queue, make_home: MakeHome, number: int) -> None:
    random = Random(number)
    heavy_never = dict.fromkeys(("embed-items", "learn-collab", "evaluate"), "never")
    homes = [make_home(f"home-{number}-{name}", schedule=heavy_never, time_zone="UTC") for name in ("a", "b", "c")]
    queue.query("UPDATE servers SET created_at = now() - interval '8 days'")
    expected = sorted((home.external_id, name) for home in homes for name in ("watch-through", "prune", "refresh-tastes", "skew"))
    with queue.worker() as one, queue.worker() as other:
        until(lambda: len(queue.jobs()) == len(expected) or one.poll() is not None)
        moment = time.monotonic() + random.uniform(0, 0.5)
        until(lambda: time.monotonic() > moment)
        one.send_signal(signal.SIGKILL)
        one.wait()
        queue.forget_workers()
        until(lambda: len(queue.jobs()) == len(expected) and all(job.is_over for job in queue.jobs()))
        until(lambda: not queue.query("SELECT id FROM procrastinate.procrastinate_jobs"))
        other.send_signal(signal.SIGTERM)
        other.wait(20)
    assert sorted((job.server, job.name) for job in queue.jobs()) == expected
    assert {job.status for job in queue.jobs()} == {"succeeded"}
