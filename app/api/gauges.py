"""What jobs wrote down, as gauges: over all servers, as a series for each would be too many."""

import threading
import time
from datetime import UTC, datetime, timedelta

import structlog

from app.api.metrics import LARGEST_PSI, SKEWED_FEATURES, WATCH_THROUGH
from app.db import Engine, SQLAlchemyError
from app.db.skew import skew_of_all
from app.db.watch_through import watch_through_of_all

log = structlog.get_logger()

# The jobs write once a night.
READ_EVERY_SECONDS = 600.0
RETRY_SECONDS = 60.0
WATCH_THROUGH_DAYS = 7


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
        WATCH_THROUGH.clear()
        for one in shares:
            WATCH_THROUGH.labels(one.key).set(one.n_watched / one.n_shown)
        SKEWED_FEATURES.set(n_flagged)
        LARGEST_PSI.set(largest_psi)
