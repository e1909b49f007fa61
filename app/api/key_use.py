"""When keys were last used: noted in memory, written at most once a minute for each key, by a thread of its own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import structlog

from app.db import Engine, SQLAlchemyError
from app.db.servers import write_key_use

log = structlog.get_logger()

WRITE_EVERY_SECONDS = 60.0


class KeyUse:
    """For many threads at once. No request waits for a write, and one that fails is only not written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="key-use")
        self._noted_at: dict[int, float] = {}

    def note(self, key_id: int) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._noted_at.get(key_id, -WRITE_EVERY_SECONDS) < WRITE_EVERY_SECONDS:
                return
            self._noted_at[key_id] = now
        self._threads.submit(self._write, key_id, datetime.now(UTC))

    def stop(self) -> None:
        """Write what waits."""
        self._threads.shutdown()

    def _write(self, key_id: int, now: datetime) -> None:
        try:
            with self._engine.begin() as connection:
                write_key_use(connection, key_id, now)
        except SQLAlchemyError as error:
            log.warning("use of a key not written", key_id=key_id, error=type(error).__name__)
