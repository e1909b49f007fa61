"""Writes served slates after the answer, in batches, from a thread of its own: no request waits for it."""

import queue
import threading

import structlog

from app.db import Engine, SQLAlchemyError
from app.db.slates import ServedSlate, write_slates

log = structlog.get_logger()

MAX_WAITING = 10_000
MAX_BATCH = 500
WRITE_EVERY_SECONDS = 1.0


class SlateLog:
    """Keeps the newest slates in memory until they are written; drops them, counted, rather than hold up an answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.Queue[ServedSlate] = queue.Queue(MAX_WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slate-log", daemon=True)
        self.n_dropped = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def add(self, served: ServedSlate) -> None:
        try:
            self._waiting.put_nowait(served)
        except queue.Full:
            self.n_dropped += 1

    def _run(self) -> None:
        while not self._stopping.wait(WRITE_EVERY_SECONDS):
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        while batch := self._take():
            try:
                with self._engine.begin() as connection:
                    write_slates(connection, batch)
            except SQLAlchemyError as error:
                # A hot standby refuses, or the database is away: the answers were given all the same.
                self.n_dropped += len(batch)
                log.warning("slates not written", n_slates=len(batch), error=type(error).__name__)

    def _take(self) -> list[ServedSlate]:
        batch: list[ServedSlate] = []
        while len(batch) < MAX_BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch
