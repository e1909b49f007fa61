"""What jobs wrote down, as gauges: over all servers, as a series for each would be too many."""

import threading
import time
from datetime import UTC, datetime, timedelta

import structlog

from app.api.metrics import JOB_SECONDS, JOBS, JOBS_QUEUED, LARGEST_PSI, OLDEST_QUEUED, SKEWED_FEATURES, WATCH_THROUGH
from app.db import Connection, Engine, SQLAlchemyError
from app.db.jobs import outcomes, queue_figures
from app.db.skew import skew_of_all
from app.db.watch_through import watch_through_of_all

log = structlog.get_logger()

# The jobs write once a night; the queue changes while somebody looks.
READ_EVERY_SECONDS, READ_QUEUE_EVERY_SECONDS = 600.0, 10.0
RETRY_SECONDS = 60.0
WATCH_THROUGH_DAYS = 7


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
