"""One start of a job: its row says how far it is and how it ended, whatever becomes of the worker."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from app.db import Connection, DBAPIError, Engine, is_passing
from app.db.jobs import finish_job, put_back, start_job, tell_progress
from app.db.queue import HEAVY, follow, queued_or_enqueued
from app.db.servers import get_server, list_servers
from app.errors import AlreadyRunning, NotEnoughMemory, NothingToLearn, PalateError
from app.job_types import Job, JobName
from app.settings import Settings
from app.types import Server
from jobs.parent import perform_in_child
from jobs.steps import STEPS, Counters, Task, is_worth_starting, unforeseen

log = structlog.get_logger()

PROGRESS_EVERY_SECONDS = 1.0
# After a failure, each as long as it takes for what is passing to pass; then it has failed.
WAITS_SECONDS = (30, 120, 480)
# The end of a job is told for so long to a database that is away; after that its worker is taken for dead, and it runs again.
INSIST_SECONDS = 60
# The first brings the others with it when the clock started it: they stand on what it found.
LEARNING: tuple[JobName, ...] = ("learn-collab", "learn-two-tower", "train-ranker")


class Again(Exception):
    """Runs again in so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class Stopped(Exception):
    """It is not to go on here: cancelled, another worker's by now, or this worker stops."""


class Told:
    """Progress that is written into the job's row, at most once a second, and raises Stopped once the job is not to go on."""

    def __init__(self, engine: Engine, job: Job, is_stopping: Callable[[], bool]) -> None:
        self._engine, self._job, self._is_stopping = engine, job, is_stopping
        self._due, self._last = 0.0, (0, 0)
        self.is_cancelled = False
        self.part, self.n_parts = 0, 1

    def __call__(self, done: int, total: int, /) -> None:
        # Of several servers each counts one: their rows are not known before their turn.
        self._last = (done, total) if self.n_parts == 1 else (self.part, self.n_parts)
        self.look()

    def look(self) -> None:
        """Whether to go on; writes what was told last, where it is time to."""
        if self._is_stopping():
            raise Stopped
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + PROGRESS_EVERY_SECONDS
        self.write()

    def write(self) -> None:
        with self._engine.begin() as connection:
            is_cancelling = tell_progress(connection, self._job, *self._last)
        if is_cancelling is not False:
            self.is_cancelled = is_cancelling is True
            raise Stopped


def run_job(engine: Engine, settings: Settings, job_id: int, is_stopping: Callable[[], bool]) -> None:
    """Raises Again where it is to run once more, with its row waiting."""
    with engine.begin() as connection:
        job = start_job(connection, job_id, datetime.now(UTC))
    if job is None:
        return
    told = Told(engine, job, is_stopping)
    try:
        log.info("job started", job=job.name, job_id=job.id, server=job.server, attempt=job.attempt)
        counters = _perform(engine, settings, job, told)
        told.write()
    except Stopped:
        _stop(engine, job, told)
    except PalateError as error:
        _fail(engine, job, error.detail, may_pass=_may_pass(error))
    except Exception as error:
        _fail(engine, job, unforeseen(error), may_pass=True)
    else:
        _succeed(engine, job, counters)


def _perform(engine: Engine, settings: Settings, job: Job, told: Told) -> Counters:
    if job.server_id is not None:
        with engine.begin() as connection:
            server = get_server(connection, job.server_id)
        return _perform_for(engine, settings, job, server, told)
    with engine.begin() as connection:
        servers = list_servers(connection)
    counters: Counters = {"n_servers": 0}
    told.n_parts, failed = len(servers), None
    for told.part, server in enumerate(servers):
        told(0, 0)
        try:
            found = _perform_for(engine, settings, job, server, told)
        except AlreadyRunning:
            # What is under way there may have begun before this was asked for: another comes after it.
            with engine.begin() as connection:
                queued_or_enqueued(connection, job.name, server.id, None, datetime.now(UTC))
            counters["n_queued"] = counters.get("n_queued", 0) + 1
            continue
        except PalateError as error:
            # One server that has nothing to learn from keeps none of the others waiting.
            log.info("job left out a server", job=job.name, server=server.external_id, detail=error.detail)
            failed = error
            continue
        counters["n_servers"] += 1
        for name in (name for name in found if name.startswith("n_")):
            counters[name] = counters.get(name, 0) + found[name]
    if failed is not None and counters == {"n_servers": 0}:
        raise failed
    return counters


def _perform_for(engine: Engine, settings: Settings, job: Job, server: Server, told: Told) -> Counters:
    is_by_clock = job.tick is not None
    if is_by_clock and not is_worth_starting(engine, job.name, server):
        return {}
    try:
        if job.name in HEAVY:
            return perform_in_child(job.name, server, is_by_clock, told, told.look)
        return STEPS[job.name](Task(engine, settings, server, job.user_id, is_by_clock, datetime.now(UTC), told))
    except NothingToLearn as error:
        # Most homes never watch enough for the two towers: only who asked for them is told so as a failure.
        if not is_by_clock:
            raise
        log.info("job found nothing to learn", job=job.name, server=server.external_id, detail=error.detail)
        return {}


def _may_pass(error: PalateError) -> bool:
    return isinstance(error, AlreadyRunning) or (error.status >= 500 and not isinstance(error, NotEnoughMemory))


def _succeed(engine: Engine, job: Job, counters: Counters) -> None:
    def write(connection: Connection) -> None:
        is_ours = finish_job(connection, job, "succeeded", datetime.now(UTC), counters=counters)
        if is_ours and job.name == LEARNING[0] and job.tick is not None and counters:
            for name in LEARNING[1:]:
                follow(connection, name, job, datetime.now(UTC))

    _insist(engine, write)
    log.info("job done", job=job.name, job_id=job.id, server=job.server, **counters)


def _stop(engine: Engine, job: Job, told: Told) -> None:
    if told.is_cancelled:
        _insist(engine, lambda connection: finish_job(connection, job, "cancelled", datetime.now(UTC)))
        log.info("job cancelled", job=job.name, job_id=job.id)
        return
    _insist(engine, lambda connection: put_back(connection, job, None, datetime.now(UTC)))
    log.info("job handed back", job=job.name, job_id=job.id)
    raise Again(0)


def _fail(engine: Engine, job: Job, error: str, *, may_pass: bool) -> None:
    is_last = not may_pass or job.n_failures >= len(WAITS_SECONDS)
    log.warning("job failed", job=job.name, job_id=job.id, server=job.server, detail=error, is_last=is_last)
    if is_last:
        _insist(engine, lambda connection: finish_job(connection, job, "failed", datetime.now(UTC), error=error))
        return
    _insist(engine, lambda connection: put_back(connection, job, error, datetime.now(UTC)))
    raise Again(WAITS_SECONDS[job.n_failures])


def _insist(engine: Engine, write: Callable[[Connection], object]) -> None:
    for second in range(INSIST_SECONDS):
        try:
            with engine.begin() as connection:
                write(connection)
            return
        except DBAPIError as error:
            if not is_passing(error) or second == INSIST_SECONDS - 1:
                raise
            time.sleep(1)
