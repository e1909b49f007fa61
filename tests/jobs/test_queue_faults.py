"""Workers that are killed, two at once, a stop, a clock set back: every job ends, once."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from app.db.queue import cancel, hand_back
from app.types import Server
from jobs.worker import MOST_STARTS, SILENT_FOR
from tests.db.household import House, film, play, user
from tests.jobs.conftest import MakeHome
from tests.jobs.street import Street
from tests.jobs.working import Queue, children, until


def hand_back_now(queue: Queue) -> list[int]:
    with queue.engine.begin() as connection:
        return hand_back(connection, SILENT_FOR, MOST_STARTS)


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
    queue.query("UPDATE procrastinate.procrastinate_jobs SET status = 'doing'")
    queue.query("UPDATE jobs SET status = 'running', attempt = :most", most=MOST_STARTS)
    assert hand_back_now(queue) == []
    assert (queue.job(job_id).status, queue.job(job_id).error) == ("failed", "Its worker died while it ran.")
    assert queue.query("SELECT id FROM procrastinate.procrastinate_jobs") == []


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


def everything_is_in_order(queue: Queue, server: Server) -> None:
    assert queue.query("SELECT id, name, status FROM jobs WHERE status IN ('queued', 'running')") == []
    assert queue.query("SELECT id FROM procrastinate.procrastinate_jobs") == []
    ticks = queue.query("SELECT server_id, name, tick FROM jobs WHERE tick IS NOT NULL")
    assert len(ticks) == len(set(ticks))
    live = queue.query("SELECT id, kind FROM spaces WHERE server_id = :id AND status = 'live' ORDER BY kind", id=server.id)
    assert len(live) == len({kind for _, kind in live})
    incomplete = queue.query(
        "SELECT s.id, s.kind, i.id FROM spaces s JOIN items i USING (server_id) WHERE s.server_id = :id AND s.kind = 'text' "
        "AND s.status = 'live' AND NOT EXISTS (SELECT FROM item_vectors v WHERE v.server_id = s.server_id AND v.space_id = s.id "
        "AND v.item_id = i.id AND v.text_digest = i.text_digest)",
        id=server.id,
    )
    assert incomplete == []


JOBS = ["embed-items", "refresh-tastes", "learn-collab", "train-ranker", "statistics", "watch-through", "skew", "prune", "learn-two-tower"]
ROUNDS = 20


@pytest.mark.soak
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_worker_killed_at_any_moment_of_any_job(queue: Queue, make_home: MakeHome, number: int) -> None:
    random = Random(number)
    home = make_home(f"home-{number}")
    house = Street(queue.engine, home, datetime.now(UTC)).house
    name = JOBS[number % len(JOBS)]
    with queue.worker() as worker:
        until(lambda: queue.query("SELECT id FROM procrastinate.procrastinate_workers"))
        job_id = queue.ask(name, home)
        until(lambda: queue.job(job_id).status != "queued")
        moment = time.monotonic() + random.uniform(0, 5)
        until(lambda: time.monotonic() > moment)
        mine = children(worker.pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in mine), 3)
    house.items(film("later", overview="Added while nobody worked."))
    queue.forget_workers()
    with queue.worker() as one, queue.worker() as other:
        until(lambda: all(job.is_over for job in queue.jobs()) and queue.query(
            "SELECT FROM item_vectors WHERE server_id = :id HAVING count(*) >= 61", id=home.id), 180)  # fmt: skip
        until(lambda: not queue.query("SELECT id FROM procrastinate.procrastinate_jobs"))
        for worker in (one, other):
            worker.send_signal(signal.SIGTERM)
            worker.wait(10)
    assert queue.job(job_id).status in ("succeeded", "failed")
    # Of the one that has too little to learn from, that is all that is wrong.
    assert queue.job(job_id).error is None or name == "learn-two-tower"
    everything_is_in_order(queue, home)


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
