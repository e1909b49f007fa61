"""The worker: runs what is in the queue, puts into it what is due, and does the little things itself.

What is due follows from the rows (a title without its vector, a taste older than its user's engagement, a moment of a schedule), so nothing
is lost when it is killed. Any number of workers may run: one of them looks, all of them work.
"""

import asyncio
import contextlib
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import structlog
from procrastinate import App

from app.db import Engine, SQLAlchemyError
from app.db.engine import working_engine
from app.db.events import learning_state
from app.db.jobs import is_open_or_failed
from app.db.locks import only_one
from app.db.queue import HEAVY_QUEUE, LIGHT_QUEUE, hand_back, queued_or_enqueued
from app.db.servers import list_servers
from app.db.tastes import write_statistics
from app.errors import AlreadyRunning, PalateError
from app.learn.text_encoder import ModelFiles, locate_model
from app.secrets import secret_key
from app.settings import Settings
from app.taste.recipes import is_text_alone
from app.types import Server, unseen
from jobs.embed_items import is_embedding_due, note_losses
from jobs.listen import listen
from jobs.queue import queue_app
from jobs.refresh_tastes import refresh_stale
from jobs.running import LEARNING
from jobs.schedule import start_due
from jobs.steps import is_learning_due

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 3.0
# Looking may cost more on a large database: never more than this share of the time.
SHARE_OF_TIME = 0.05
STATISTICS_EVERY_SECONDS = 60.0
CLOCK_EVERY_SECONDS = 20.0
LOOK_FOR_LEARNING_EVERY_SECONDS = 900.0
# What failed, and its waits with it, is put into the queue again by itself after this.
RETRY_MODEL_SECONDS, RETRY_EMBEDDING, RETRY_LEARNING = 300.0, timedelta(minutes=5), timedelta(hours=20)
# A server on which so many titles were watched doesn't wait for its first night.
ENOUGH_AT_ONCE = 500
# A worker tells every ten seconds that it lives. A job that was started so often has killed its workers itself.
SILENT_FOR, MOST_STARTS = timedelta(seconds=30), 8
# The supervisor waits for six seconds.
GRACE_SECONDS = 1.0
N_LIGHT_AT_ONCE = 2


def run_worker(engine: Engine, settings: Settings, url: str) -> None:
    """Until SIGINT or SIGTERM; from the main thread. Jobs that don't end within a second or two are handed back."""
    stopping = threading.Event()
    looking = threading.Thread(target=_look_until, args=(Looker(engine, settings), stopping), name="looker", daemon=True)
    looking.start()
    # It holds a connection for as long as it listens: not one of those that jobs wait for.
    ears = working_engine(url, 2)
    listening = threading.Thread(target=listen, args=(ears, lambda: secret_key(settings), stopping), name="listener", daemon=True)
    listening.start()
    log.info("worker started")
    asyncio.run(_work(queue_app(engine, settings, url), stopping))
    for thread in (looking, listening):
        thread.join(GRACE_SECONDS / 2)
    ears.dispose()
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


def _look_until(looker: "Looker", stopping: threading.Event) -> None:
    pause = 0.0
    while not stopping.wait(pause):
        started = time.monotonic()
        try:
            looker.look()
        except (SQLAlchemyError, PalateError) as error:
            log.warning("worker will try again", error=type(error).__name__)
        pause = max(LOOK_EVERY_SECONDS, (time.monotonic() - started) / SHARE_OF_TIME)


class Looker:
    """Puts into the queue what is due. Remembers between looks only when it looks again at what is dear to look at."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._files: ModelFiles | None = None
        self._model_due = self._clock_due = 0.0
        self._statistics_due: dict[int, float] = {}
        self._learning_due: dict[int, float] = {}

    def look(self) -> None:
        """One round over all servers, unless another worker is at it."""
        with contextlib.suppress(AlreadyRunning), only_one(self._engine, "look"):
            with self._engine.begin() as connection:
                for job_id in hand_back(connection, SILENT_FOR, MOST_STARTS):
                    log.warning("job handed back: its worker is gone", job_id=job_id)
                everything = list_servers(connection)
            if time.monotonic() >= self._clock_due:
                self._clock_due = time.monotonic() + CLOCK_EVERY_SECONDS
                start_due(self._engine, self._settings.schedule, datetime.now(UTC))
            files = self._model_files()
            for server in everything:
                self._look_after(server, files)

    def _look_after(self, server: Server, files: ModelFiles | None) -> None:
        note_losses(self._engine, server, datetime.now(UTC))
        if files is not None:
            self._embed_if_due(server, files)
        n_tastes = refresh_stale(self._engine, server.id, datetime.now(UTC), unseen)
        if n_tastes:
            log.info("tastes refreshed", server=server.external_id, n_tastes=n_tastes)
        self._learn_if_due(server)
        self._statistics_if_due(server)

    def _model_files(self) -> ModelFiles | None:
        if time.monotonic() < self._model_due:
            return None
        try:
            self._files = self._files or locate_model(self._settings.embedding_model)
        except PalateError as error:
            self._model_due = time.monotonic() + RETRY_MODEL_SECONDS
            log.error("text model missing", detail=str(error))
        return self._files

    def _embed_if_due(self, server: Server, files: ModelFiles) -> None:
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            if is_open_or_failed(connection, "embed-items", server.id, now - RETRY_EMBEDDING):
                return
            if is_embedding_due(connection, server.id, files):
                queued_or_enqueued(connection, "embed-items", server.id, None, now)

    def _learn_if_due(self, server: Server) -> None:
        """The first time; from then on it is the clock's."""
        if time.monotonic() < self._learning_due.get(server.id, 0.0) or is_text_alone(server):
            return
        self._learning_due[server.id] = time.monotonic() + LOOK_FOR_LEARNING_EVERY_SECONDS
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            state = learning_state(connection, server.id, ENOUGH_AT_ONCE)
            if state.learned_at is not None or not is_learning_due(state, ENOUGH_AT_ONCE):
                return
            if not is_open_or_failed(connection, "learn-collab", server.id, now - RETRY_LEARNING):
                for name in LEARNING:
                    queued_or_enqueued(connection, name, server.id, None, now)

    def _statistics_if_due(self, server: Server) -> None:
        if time.monotonic() < self._statistics_due.get(server.id, 0.0):
            return
        with self._engine.begin() as connection:
            write_statistics(connection, server.id)
        self._statistics_due[server.id] = time.monotonic() + STATISTICS_EVERY_SECONDS
