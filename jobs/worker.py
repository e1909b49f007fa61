"""The worker: runs what is in the queue, puts into it what is due, and does the little things itself.

What is due follows from the rows (a title without its vector, a taste older than its user's engagement, a moment of a schedule), so nothing
is lost when it is killed. Any number of workers may run: all of them work and keep the clock, one of them looks after the servers.
"""

import asyncio
import contextlib
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import structlog
from procrastinate import App

from app.connect.live import SYNC_AFTER
from app.db import Engine
from app.db.engine import working_engine
from app.db.events import learning_state
from app.db.jobs import is_open_or_vain
from app.db.locks import only_one
from app.db.looks import SILENT_FOR
from app.db.queue import HEAVY_QUEUE, LIGHT_QUEUE, enqueue, hand_back, queued_or_enqueued
from app.db.servers import list_servers
from app.db.tastes import write_statistics
from app.errors import AlreadyRunning, PalateError
from app.learn.events import ENOUGH_AT_ONCE
from app.learn.text_encoder import ModelFiles, locate_model
from app.secrets import secret_key
from app.settings import Settings
from app.taste.recipes import is_text_alone
from app.types import Server
from jobs.embed_items import is_embedding_due, note_losses
from jobs.listen import listen
from jobs.looks import Noted, going_on, look_again_and_again
from jobs.queue import RETRY_SECONDS, queue_app
from jobs.refresh_tastes import refresh_stale
from jobs.running import LEARNING, WAITS_SECONDS
from jobs.schedule import start_due
from jobs.steps import is_learning_due, unforeseen

log = structlog.get_logger()

STATISTICS_EVERY_SECONDS = 60.0
CLOCK_EVERY_SECONDS = 20.0
LOOK_FOR_LEARNING_EVERY_SECONDS = 900.0
# What failed, and its waits with it, is put into the queue again by itself after this.
RETRY_MODEL_SECONDS, RETRY_EMBEDDING, RETRY_LEARNING = 300.0, timedelta(minutes=5), timedelta(hours=20)
# A job that so many workers died of has killed them itself.
MOST_LOST = 8
# The longest that any job is ever asked to wait.
LONGEST_WAIT = max(SYNC_AFTER, *(timedelta(seconds=seconds) for seconds in (RETRY_SECONDS, *WAITS_SECONDS)))
# The supervisor waits for six seconds.
GRACE_SECONDS = 1.0
N_LIGHT_AT_ONCE = 2


def run_worker(engine: Engine, settings: Settings, url: str) -> None:
    """Until SIGINT or SIGTERM; from the main thread. Jobs that don't end within a second or two are handed back."""
    stopping = threading.Event()
    # The listener holds a connection for as long as it listens, the clock waits for nobody: none of those that jobs wait for.
    ears, clockwork = working_engine(url, 2), working_engine(url, 1)
    looker, clock = Looker(engine, settings), Clock(clockwork, settings)
    threads = [
        threading.Thread(target=look_again_and_again, args=(clock.look, "clock", stopping), name="clock", daemon=True),
        threading.Thread(target=look_again_and_again, args=(looker.look, "servers", stopping), name="looker", daemon=True),
        threading.Thread(target=listen, args=(ears, lambda: secret_key(settings), stopping), name="listener", daemon=True),
    ]
    for thread in threads:
        thread.start()
    log.info("worker started")
    asyncio.run(_work(queue_app(engine, settings, url), stopping))
    for thread in threads:
        thread.join(GRACE_SECONDS / len(threads))
    for own in (ears, clockwork):
        own.dispose()
    log.info("worker stopped")


async def _work(app: App, stopping: threading.Event) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with app.open_async():
        working = [asyncio.create_task(_serve(app, HEAVY_QUEUE, 1)), asyncio.create_task(_serve(app, LIGHT_QUEUE, N_LIGHT_AT_ONCE))]
        await stop.wait()
        stopping.set()
        for one in working:
            one.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _serve(app: App, queue: str, n_at_once: int) -> None:
    """Goes on when the database comes back; Procrastinate's worker ends where it can't tell that it lives."""
    while True:
        try:
            await app.run_worker_async(
                queues=[queue],
                concurrency=n_at_once,
                name=queue,
                install_signal_handlers=False,
                shutdown_graceful_timeout=GRACE_SECONDS,
                # What jobs did is kept in their own rows.
                delete_jobs="always",
            )
        except Exception as error:
            log.warning("queue lost; trying again", queue=queue, error=type(error).__name__)
        await asyncio.sleep(1)


class Clock:
    """Hands back what dead workers left, and starts what schedules say. Every worker keeps it, however long the looks take: each job is
    handed back, and each moment of a schedule started, once."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._schedule = engine, settings.schedule
        self._schedule_due = 0.0
        self._noted = Noted(engine, "clock")

    def look(self) -> None:
        try:
            self._hand_back()
        finally:
            # What can't be handed back keeps nothing else from being started.
            self._start_due()
        self._noted()

    def _hand_back(self) -> None:
        with self._engine.begin() as connection:
            for job_id in hand_back(connection, SILENT_FOR, MOST_LOST, LONGEST_WAIT):
                log.warning("job handed back: its worker is gone", job_id=job_id)

    def _start_due(self) -> None:
        if time.monotonic() >= self._schedule_due:
            self._schedule_due = time.monotonic() + CLOCK_EVERY_SECONDS
            start_due(self._engine, self._schedule, datetime.now(UTC))


class Model:
    """The text model's files, found beside the looks: the model hub may take minutes to give them."""

    def __init__(self, name: str) -> None:
        self._name, self._due = name, 0.0
        self._found: ModelFiles | None = None
        self._finding: threading.Thread | None = None

    def files(self) -> ModelFiles | None:
        """None: not found yet, or nowhere."""
        is_idle = self._finding is None or not self._finding.is_alive()
        if self._found is None and is_idle and time.monotonic() >= self._due:
            self._finding = threading.Thread(target=self._find, name="model", daemon=True)
            self._finding.start()
        return self._found

    def _find(self) -> None:
        try:
            self._found = locate_model(self._name)
        except PalateError as error:
            log.error("text model missing", detail=error.detail)
        except Exception as error:
            log.error("text model missing", detail=unforeseen(error))
        finally:
            self._due = time.monotonic() + RETRY_MODEL_SECONDS


class Looker:
    """Puts into the queue what is due on each server. Remembers between looks only when it looks again at what is dear to look at."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._model = engine, Model(settings.embedding_model)
        self._noted = Noted(engine, "servers")
        self._statistics_due: dict[int, float] = {}
        self._learning_due: dict[int, float] = {}

    def look(self) -> None:
        """One round over all servers, unless another worker is at it. What goes wrong with one keeps it from none of the others."""
        with contextlib.suppress(AlreadyRunning), only_one(self._engine, "look"):
            with self._engine.begin() as connection:
                everything = list_servers(connection)
            files = self._model.files()
            if not everything:
                self._noted()
            for server in everything:
                with going_on(server=server.external_id):
                    self._look_after(server, files)
                    self._noted()

    def _look_after(self, server: Server, files: ModelFiles | None) -> None:
        note_losses(self._engine, server, datetime.now(UTC))
        if files is not None:
            self._embed_if_due(server, files)
        n_tastes = refresh_stale(self._engine, server.id, datetime.now(UTC), self._noted)
        if n_tastes:
            log.info("tastes refreshed", server=server.external_id, n_tastes=n_tastes)
        self._learn_if_due(server)
        self._statistics_if_due(server)

    def _embed_if_due(self, server: Server, files: ModelFiles) -> None:
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            if is_open_or_vain(connection, "embed-items", server.id, now - RETRY_EMBEDDING):
                return
            if is_embedding_due(connection, server.id, files):
                queued_or_enqueued(connection, "embed-items", server.id, None, now)

    def _learn_if_due(self, server: Server) -> None:
        """The first time, as the clock would; from then on it is the clock's. What stands on it follows."""
        if time.monotonic() < self._learning_due.get(server.id, 0.0) or is_text_alone(server):
            return
        self._learning_due[server.id] = time.monotonic() + LOOK_FOR_LEARNING_EVERY_SECONDS
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            state = learning_state(connection, server.id, ENOUGH_AT_ONCE)
            if state.learned_at is not None or not is_learning_due(state, ENOUGH_AT_ONCE):
                return
            if not is_open_or_vain(connection, LEARNING[0], server.id, now - RETRY_LEARNING):
                enqueue(connection, LEARNING[0], server.id, None, now, now)

    def _statistics_if_due(self, server: Server) -> None:
        if time.monotonic() < self._statistics_due.get(server.id, 0.0):
            return
        with self._engine.begin() as connection:
            write_statistics(connection, server.id)
        self._statistics_due[server.id] = time.monotonic() + STATISTICS_EVERY_SECONDS
