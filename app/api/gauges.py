"""What is so at the moment, and what jobs wrote down, as gauges: over all servers, as a series for each would be too many."""

import contextlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Gauge
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
    LAST_LEARNED,
    MISSING_VECTORS,
    OLDEST_QUEUED,
    SKEWED_FEATURES,
    STALE_TASTES,
    STANDBY_LAG,
    STANDBYS,
    WATCH_THROUGH,
)
from app.db import Connection, Engine, SQLAlchemyError, doctor, health
from app.db.engine import connections
from app.db.jobs import outcomes, queue_figures
from app.db.skew import skew_of_all
from app.db.watch_through import watch_through_of_all

log = structlog.get_logger()

# The jobs write once a night; the queue changes while somebody looks.
READ_EVERY_SECONDS, READ_QUEUE_EVERY_SECONDS = 600.0, 10.0
RETRY_SECONDS = 60.0
WATCH_THROUGH_DAYS = 7


def read_state(state: State) -> None:
    """What is cheap to say at each scrape."""
    DATABASE_UP.set(health.check(state.watch, state.newest_revision).fault is None)
    for name, engine in (("serve", state.serve), ("work", state.work)):
        n_used, n_all = connections(engine)
        CONNECTIONS.labels(name, "used").set(n_used)
        CONNECTIONS.labels(name, "all").set(n_all)
    standbys = state.reads.standbys
    STANDBYS.labels("all").set(len(standbys))
    STANDBYS.labels("fit").set(sum(one.is_fit for one in standbys))
    STANDBY_LAG.set(max((one.lag_seconds for one in standbys if one.lag_seconds < float("inf")), default=0.0))
    with contextlib.suppress(OSError):  # who gives keys and a database by setting may have no such folder
        FREE_BYTES.set(shutil.disk_usage(state.settings.data_dir).free)


class StoredGauges:
    """Reads them again where they are asked for and old; while the database is away they stay as they were."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
                    _read_state_of_rows(connection)
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
    WATCH_THROUGH.clear()
    for one in shares:
        WATCH_THROUGH.labels(one.key).set(one.n_watched / one.n_shown)
    SKEWED_FEATURES.set(n_flagged)
    LARGEST_PSI.set(largest_psi)


def _read_queue(connection: Connection) -> None:
    now = datetime.now(UTC)
    found, (n_queued, oldest_seconds) = outcomes(connection, now - timedelta(days=1)), queue_figures(connection, now)
    JOBS.clear()
    JOB_SECONDS.clear()
    for one in found:
        JOBS.labels(one.name, one.status).set(one.n_jobs)
        if one.status == "succeeded" and one.seconds is not None:
            JOB_SECONDS.labels(one.name).set(one.seconds)
    JOBS_QUEUED.set(n_queued)
    OLDEST_QUEUED.set(oldest_seconds)


def _read_state_of_rows(connection: Connection) -> None:
    DATABASE_BYTES.set(doctor.size_bytes(connection))
    LAST_LEARNED.set(doctor.last_learned(connection))
    _set_sums(MISSING_VECTORS, doctor.missing_vectors(connection))
    _set_sums(STALE_TASTES, doctor.stale_tastes(connection, datetime.now(UTC)))


def _set_sums(gauge: Gauge, behind: Iterable[doctor.Behind]) -> None:
    sums: Counter[str] = Counter()
    for one in behind:
        sums[one.kind] += one.n
    gauge.clear()
    for kind, n in sums.items():
        gauge.labels(kind).set(n)
