"""Writes served slates after the answer, in batches, from a thread of its own: no request waits for it."""

import hashlib
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import structlog

from app.db import Engine, SQLAlchemyError
from app.db.slates import ServedSlate, write_slates

log = structlog.get_logger()

MAX_WAITING = 10_000
MAX_BATCH = 500
WRITE_EVERY_SECONDS = 1.0


class SlateLog:
    """Keeps the newest slates in memory until they are written; drops them, counted, rather than hold up an answer.

    `share` of the answers are logged, `features_share` of those with their features.
    """

    def __init__(
        self, engine: Engine, share: float, features_share: float, count_dropped: Callable[[int], None] = lambda _n_slates: None
    ) -> None:
        self._engine, self._share, self._features_share, self._count_dropped = engine, share, features_share, count_dropped
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
        place, place_of_features = _places(served.slate.id)
        if place >= self._share:
            return
        if place_of_features >= self._features_share:
            served = replace(served, slate=replace(served.slate, features=None))
        try:
            self._waiting.put_nowait(served)
        except queue.Full:
            self._drop(1)

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
                self._drop(len(batch))
                log.warning("slates not written", n_slates=len(batch), error=type(error).__name__)

    def _drop(self, n_slates: int) -> None:
        self.n_dropped += n_slates
        self._count_dropped(n_slates)

    def _take(self) -> list[ServedSlate]:
        batch: list[ServedSlate] = []
        while len(batch) < MAX_BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch


def _places(slate_id: UUID) -> tuple[float, float]:
    """Two numbers in [0, 1) that follow from the id alone: all rows of a page, and all who ask again, agree on what is sampled."""
    digest = hashlib.sha256(slate_id.bytes).digest()
    return int.from_bytes(digest[:6]) / 2**48, int.from_bytes(digest[6:12]) / 2**48
