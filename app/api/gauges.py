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
    LARGEST_PSI,
    LAST_LEARNED,
    MISSING_VECTORS,
    SKEWED_FEATURES,
    STALE_TASTES,
    STANDBY_LAG,
    STANDBYS,
    WATCH_THROUGH,
)
from app.db import Engine, SQLAlchemyError, doctor, health
from app.db.engine import connections
from app.db.skew import skew_of_all
from app.db.watch_through import watch_through_of_all

log = structlog.get_logger()

# The jobs write once a night.
READ_EVERY_SECONDS = 600.0
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
        self._due = 0.0
        self._reading = threading.Lock()

    def refresh(self) -> None:
        if time.monotonic() < self._due or not self._reading.acquire(blocking=False):
            return
        try:
            self._read()
            self._due = time.monotonic() + READ_EVERY_SECONDS
        except SQLAlchemyError as error:
            self._due = time.monotonic() + RETRY_SECONDS
            log.warning("gauges not read", error=type(error).__name__)
        finally:
            self._reading.release()

    def _read(self) -> None:
        with self._engine.begin() as connection:
            shares = watch_through_of_all(connection, datetime.now(UTC).date() - timedelta(days=WATCH_THROUGH_DAYS - 1))
            n_flagged, largest_psi = skew_of_all(connection)
            missing, stale = doctor.missing_vectors(connection), doctor.stale_tastes(connection, datetime.now(UTC))
            DATABASE_BYTES.set(doctor.size_bytes(connection))
            LAST_LEARNED.set(doctor.last_learned(connection))
        _set_sums(MISSING_VECTORS, missing)
        _set_sums(STALE_TASTES, stale)
        WATCH_THROUGH.clear()
        for one in shares:
            WATCH_THROUGH.labels(one.key).set(one.n_watched / one.n_shown)
        SKEWED_FEATURES.set(n_flagged)
        LARGEST_PSI.set(largest_psi)


def _set_sums(gauge: Gauge, behind: Iterable[doctor.Behind]) -> None:
    sums: Counter[str] = Counter()
    for one in behind:
        sums[one.kind] += one.n
    gauge.clear()
    for kind, n in sums.items():
        gauge.labels(kind).set(n)
