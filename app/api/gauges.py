"""What is so at the moment, and what jobs wrote down, as gauges: over all servers, as a series for each would be too many."""

import contextlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from starlette.datastructures import State

from app.api.metrics import (
    CONNECTIONS,
    DATABASE_BYTES,
    DATABASE_UP,
    FREE_BYTES,
    JOB_SECONDS,
    JOBS,
    JOBS_QUEUED,
    LARGEST_PSI,
    LOOKED,
    MISSING_VECTORS,
    OLDEST_QUEUED,
    SKEWED_FEATURES,
    STALE_TASTES,
    STANDBY_LAG,
    STANDBYS,
    UNLEARNED,
    WATCH_THROUGH,
    WORKERS,
    Reading,
)
from app.cron import NEVER, expression_of
from app.db import Connection, Engine, SQLAlchemyError, doctor, health
from app.db.engine import connections
from app.db.jobs import outcomes, queue_figures
from app.db.servers import list_servers
from app.db.skew import skew_of_all
from app.db.watch_through import watch_through_of_all
from app.job_types import JobName
from app.learn.events import ENOUGH_AT_ONCE, MIN_USERS
from app.taste.recipes import is_text_alone

log = structlog.get_logger()

# The jobs write once a night; the queue changes while somebody looks.
READ_EVERY_SECONDS, READ_QUEUE_EVERY_SECONDS = 600.0, 10.0
RETRY_SECONDS = 60.0
WATCH_THROUGH_DAYS = 7


def read_state(state: State) -> None:
    """What is cheap to say at each scrape."""
    DATABASE_UP.set(health.check(state.watch, state.newest_revision).fault is None)
    pools = {name: connections(engine) for name, engine in (("serve", state.serve), ("work", state.work))}
    CONNECTIONS.set_all({(name, what): n for name, found in pools.items() for what, n in zip(("used", "all"), found, strict=True)})
    standbys = state.reads.standbys
    STANDBYS.set_all({("all",): len(standbys), ("fit",): sum(one.is_fit for one in standbys)})
    STANDBY_LAG.set(max((one.lag_seconds for one in standbys if one.lag_seconds < float("inf")), default=0.0))
    with contextlib.suppress(OSError):  # who gives keys and a database by setting may have no such folder
        FREE_BYTES.set(shutil.disk_usage(state.settings.data_dir).free)


class StoredGauges:
    """Reads them again where they are asked for and old; while the database is away they stay as they were."""

    def __init__(self, engine: Engine, schedule: Mapping[JobName, str]) -> None:
        self._engine, self._schedule = engine, schedule
        self._due = self._queue_due = 0.0
        self._reading = threading.Lock()

    def refresh(self) -> None:
        now = time.monotonic()
        if now < min(self._due, self._queue_due) or not self._reading.acquire(blocking=False):
            return
        try:
            with self._engine.begin() as connection:
                if now >= self._due:
                    _read_evidence(connection)
                    _read_state_of_rows(connection, self._schedule)
                    self._due = now + READ_EVERY_SECONDS
                if now >= self._queue_due:
                    _read_queue(connection)
                    self._queue_due = now + READ_QUEUE_EVERY_SECONDS
        except SQLAlchemyError as error:
            self._due = self._queue_due = now + RETRY_SECONDS
            log.warning("gauges not read", error=type(error).__name__)
        finally:
            self._reading.release()


def _read_evidence(connection: Connection) -> None:
    shares = watch_through_of_all(connection, datetime.now(UTC).date() - timedelta(days=WATCH_THROUGH_DAYS - 1))
    n_flagged, largest_psi = skew_of_all(connection)
    WATCH_THROUGH.set_all({(one.key,): one.n_watched / one.n_shown for one in shares})
    SKEWED_FEATURES.set(n_flagged)
    LARGEST_PSI.set(largest_psi)


def _read_queue(connection: Connection) -> None:
    now = datetime.now(UTC)
    found, (n_queued, oldest_seconds) = outcomes(connection, now - timedelta(days=1)), queue_figures(connection, now)
    JOBS.set_all({(one.name, one.status): one.n_jobs for one in found})
    JOB_SECONDS.set_all({(one.name,): one.seconds for one in found if one.status == "succeeded" and one.seconds is not None})
    WORKERS.set(doctor.live_workers(connection))
    LOOKED.set(doctor.seconds_since_look(connection))
    JOBS_QUEUED.set(n_queued)
    OLDEST_QUEUED.set(oldest_seconds)


def _read_state_of_rows(connection: Connection, schedule: Mapping[JobName, str]) -> None:
    DATABASE_BYTES.set(doctor.size_bytes(connection))
    UNLEARNED.set(_unlearned_seconds(connection, schedule))
    _set_sums(MISSING_VECTORS, doctor.missing_vectors(connection))
    _set_sums(STALE_TASTES, doctor.stale_tastes(connection, datetime.now(UTC)))


def _unlearned_seconds(connection: Connection, schedule: Mapping[JobName, str]) -> float:
    """Of servers that learn each night or so."""
    learning = [
        server.id
        for server in list_servers(connection)
        if not is_text_alone(server) and expression_of(server.settings, "learn-collab", schedule) != NEVER
    ]
    since = doctor.unlearned(connection, MIN_USERS, ENOUGH_AT_ONCE)
    waiting = [(datetime.now(UTC) - since[server_id]).total_seconds() for server_id in learning if server_id in since]
    return max(waiting, default=0.0)


def _set_sums(reading: Reading, behind: Iterable[doctor.Behind]) -> None:
    sums: Counter[tuple[str, ...]] = Counter()
    for one in behind:
        sums[(one.kind,)] += one.n
    reading.set_all(sums)
