"""Each job, its worker killed with -9 while it runs: the next worker does it, and nothing is lost, doubled, half done or left over."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest

from app.db import Engine
from app.job_types import JOB_NAMES, JobName
from tests.db.household import House
from tests.db.order import faults
from tests.jobs.killing import PATIENCE_SECONDS, Attic, Worker, World, kill, kill_again, world_of
from tests.jobs.working import Queue, until

ROUNDS = 20
# What takes long is killed several times before it may come to its end: what is left over is then of several.
KILLED_BEFORE_IT_IS_DONE: dict[JobName, int] = {"learn-two-tower": 5, "evaluate": 5}
# A moment may come after the job's end: such a round does not count.
MOST_TRIES = 3 * ROUNDS


@pytest.fixture(scope="module")
def queue(own_database: tuple[Engine, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    """One for all jobs: to make people and to learn from them takes longer than most of these jobs."""
    found = Queue(*own_database, tmp_path_factory.mktemp("killed"))
    yield found
    found.query("DELETE FROM servers")
    found.query("TRUNCATE jobs, procrastinate.procrastinate_workers, procrastinate.procrastinate_jobs CASCADE")


@contextlib.contextmanager
def workers(queue: Queue) -> Iterator["Workers"]:
    with contextlib.ExitStack() as stack:
        yield Workers(queue, stack)


class Workers:
    """One after the other: who does what the one before left is killed in the next round."""

    def __init__(self, queue: Queue, stack: contextlib.ExitStack) -> None:
        self._queue, self._stack = queue, stack
        self.now = self.next()

    def next(self) -> Worker:
        self._queue.forget_workers()
        self.now = self._stack.enter_context(self._queue.worker())
        alive = "SELECT FROM procrastinate.procrastinate_workers WHERE last_heartbeat > now() - interval '1 minute'"
        until(lambda: self._queue.query(alive), PATIENCE_SECONDS)
        return self.now


def rest(queue: Queue, world: World) -> None:
    """Until all is done that the job, what it did it to, and the worker itself asked for."""
    until(lambda: all(job.is_over for job in queue.jobs()), PATIENCE_SECONDS)
    until(lambda: not queue.query("SELECT id FROM procrastinate.procrastinate_jobs"), PATIENCE_SECONDS)
    with contextlib.suppress(AssertionError):
        until(lambda: not faults(queue.engine, world.server.id), PATIENCE_SECONDS)
    assert faults(queue.engine, world.server.id) == []


def unkilled(queue: Queue, world: World) -> timedelta:
    """How long it takes."""
    world.prepare()
    n_asked = len(world.fake.asked) if isinstance(world, Attic) else 0
    job_id = queue.ask(world.name, world.server)
    until(lambda: queue.job(job_id).is_over, PATIENCE_SECONDS)
    job = queue.job(job_id)
    assert (job.status, job.error) == ("succeeded", None)
    if isinstance(world, Attic):
        world.n_requests = len(world.fake.asked) - n_asked
    assert job.started_at is not None
    assert job.finished_at is not None
    return job.finished_at - job.started_at


def assert_in_order(queue: Queue, world: World) -> None:
    rest(queue, world)
    assert world.wrong() == []
    failed = world.ask("SELECT name, error FROM jobs WHERE server_id = :id AND status IN ('failed', 'cancelled')")
    # By itself, of too little or by a rule of its own; never of being killed.
    assert {name for name, _ in failed} <= {"learn-two-tower", "train-ranker"} - {world.name}, failed
    ticks = queue.query("SELECT server_id, name, tick FROM jobs WHERE tick IS NOT NULL")
    assert len(ticks) == len(set(ticks))


@pytest.mark.soak
@pytest.mark.parametrize("name", JOB_NAMES)
def test_a_job_whose_worker_is_killed_while_it_runs_is_done_by_the_next(queue: Queue, name: JobName) -> None:
    random, n_killed, n_tries = Random(name), 0, 0
    with world_of(queue, name) as world, workers(queue) as staff:
        seconds = unkilled(queue, world).total_seconds()
        if isinstance(world, Attic):
            # The first finds everything new.
            seconds = unkilled(queue, world).total_seconds()
        rest(queue, world)
        told = House(queue.engine, world.server.id).state()
        while n_killed < ROUNDS:
            n_tries += 1
            assert n_tries <= MOST_TRIES
            world.prepare()
            job_id = kill(queue, staff.now, world, random, seconds)
            # One whose worker was killed after it told the end, or just then, is not running and is not handed back.
            n_running = int(queue.job(job_id).status == "running")
            staff.next()
            for _ in range(1, KILLED_BEFORE_IT_IS_DONE.get(name, 1)):
                n_running += kill_again(queue, staff.now, job_id, random, seconds)
                staff.next()
            until(lambda: queue.job(job_id).is_over, PATIENCE_SECONDS)  # noqa: B023  # called at once
            job = queue.job(job_id)
            assert (job.status, job.error) == ("succeeded", None)
            n_killed += min(n_running, job.attempt - 1)
            assert_in_order(queue, world)
            if name not in ("sync-library", "publish", "embed-items"):
                assert House(queue.engine, world.server.id).state() == told
    print(f"{name}: {n_killed} killed in {n_tries} rounds; it takes {seconds:.1f} s")  # noqa: T201
