"""The worker: does what the rows say is due, again and again.

What is due follows from the rows (an item without its vector, a taste older than its user's engagement), so nothing
is lost when it is killed, and two workers do no harm.
"""

import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import structlog

from app.db import Engine, SQLAlchemyError
from app.db.embedded import die_with_parent
from app.db.events import LearningState, learning_state
from app.db.servers import list_servers
from app.db.tastes import write_statistics
from app.db.watch_through import CountState, count_state
from app.errors import PalateError
from app.learn.events import MIN_ITEMS, MIN_USERS
from app.learn.text_encoder import ModelFiles, locate_model
from app.taste.recipes import is_text_alone
from app.types import Server, unseen
from jobs.embed_items import is_embedding_due, note_losses
from jobs.nightly import do_nightly
from jobs.refresh_tastes import refresh_stale

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 3.0
# Looking may cost more on a large database: never more than this share of the time.
SHARE_OF_TIME = 0.05
STATISTICS_EVERY_SECONDS = 60.0
RETRY_MODEL_SECONDS = 300.0
LOOK_FOR_LEARNING_EVERY_SECONDS, RETRY_LEARNING_SECONDS = 900.0, 20 * 3600.0
# Learning takes what the machine has: at night by the local clock, or later where the machine is off by then.
NIGHT_HOURS = range(2, 5)
LEARN_AFTER, LEARN_BY_DAY_AFTER = timedelta(hours=20), timedelta(hours=30)
# A server on which so many titles were watched doesn't wait for its first night.
ENOUGH_AT_ONCE = 500


def run_worker(engine: Engine, model_name: str, slate_days: int, space_days: int) -> None:
    """Until SIGTERM; from the main thread. `slate_days`, `space_days`: how long slates are kept, and spaces that served before."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signum, _frame: stopping.set())
    worker = Worker(engine, model_name, slate_days, space_days)
    log.info("worker started")
    pause = 0.0
    while not stopping.wait(pause):
        started = time.monotonic()
        try:
            worker.look()
        except (SQLAlchemyError, PalateError) as error:
            log.warning("worker will try again", error=type(error).__name__)
        # Work that was due is no looking.
        pause = max(LOOK_EVERY_SECONDS, (time.monotonic() - started - worker.worked_seconds) / SHARE_OF_TIME)
    log.info("worker stopped")


class Worker:
    """Remembers between looks only when it may try a thing again."""

    def __init__(self, engine: Engine, model_name: str, slate_days: int, space_days: int) -> None:
        self._engine, self._model_name, self._slate_days, self._space_days = engine, model_name, slate_days, space_days
        self._files: ModelFiles | None = None
        self._model_due = 0.0
        self._statistics_due: dict[int, float] = {}
        self._learning_due: dict[int, float] = {}
        self._nightly_due: dict[int, float] = {}
        self._nightly_at: dict[int, datetime] = {}
        self.worked_seconds = 0.0

    def look(self) -> None:
        """One round over all servers; `worked_seconds` of it went into jobs."""
        self.worked_seconds = 0.0
        files = self._model_files()
        with self._engine.begin() as connection:
            everything = list_servers(connection)
        for server in everything:
            note_losses(self._engine, server, datetime.now(UTC))
            if files is not None:
                self._embed_if_due(server, files)
            n_tastes = refresh_stale(self._engine, server.id, datetime.now(UTC), unseen)
            if n_tastes:
                log.info("tastes refreshed", server=server.external_id, n_tastes=n_tastes)
            self._learn_if_due(server)
            self._do_nightly_if_due(server)
            self._statistics_if_due(server)

    def _model_files(self) -> ModelFiles | None:
        if time.monotonic() < self._model_due:
            return None
        try:
            self._files = self._files or locate_model(self._model_name)
        except PalateError as error:
            self._model_due = time.monotonic() + RETRY_MODEL_SECONDS
            log.error("text model missing", detail=str(error))
        return self._files

    def _embed_if_due(self, server: Server, files: ModelFiles) -> None:
        with self._engine.begin() as connection:
            if not is_embedding_due(connection, server.id, files):
                return
        if not self._run("embed", server):
            self._model_due = time.monotonic() + RETRY_MODEL_SECONDS

    def _learn_if_due(self, server: Server) -> None:
        if time.monotonic() < self._learning_due.get(server.id, 0.0) or is_text_alone(server):
            return
        self._learning_due[server.id] = time.monotonic() + LOOK_FOR_LEARNING_EVERY_SECONDS
        with self._engine.begin() as connection:
            state = learning_state(connection, server.id, ENOUGH_AT_ONCE)
        if is_learning_due(state, datetime.now().astimezone()) and not self._run("learn", server):
            self._learning_due[server.id] = time.monotonic() + RETRY_LEARNING_SECONDS

    def _do_nightly_if_due(self, server: Server) -> None:
        if time.monotonic() < self._nightly_due.get(server.id, 0.0):
            return
        self._nightly_due[server.id] = time.monotonic() + LOOK_FOR_LEARNING_EVERY_SECONDS
        started, now = time.monotonic(), datetime.now().astimezone()
        with self._engine.begin() as connection:
            state = count_state(connection, server.id, now.astimezone(UTC).date())
        if is_nightly_due(state, self._nightly_at.get(server.id), now):
            do_nightly(self._engine, server, self._slate_days, self._space_days, now)
            self._nightly_at[server.id] = now
            self.worked_seconds += time.monotonic() - started

    def _statistics_if_due(self, server: Server) -> None:
        if time.monotonic() < self._statistics_due.get(server.id, 0.0):
            return
        with self._engine.begin() as connection:
            write_statistics(connection, server.id)
        self._statistics_due[server.id] = time.monotonic() + STATISTICS_EVERY_SECONDS

    def _run(self, name: str, server: Server) -> bool:
        """A command for this server in a process of its own, so that what its libraries take is given back when it is done. It logs for
        itself, and says on standard error why it fails."""
        command = [sys.executable, "-m", "app.cli", name, "--server", server.external_id]
        log.info("started", job=name, server=server.external_id)
        started = time.monotonic()
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, preexec_fn=lambda: die_with_parent(signal.SIGTERM))
        self.worked_seconds += time.monotonic() - started
        if done.returncode != 0:
            log.error("failed", job=name, server=server.external_id, exit_status=done.returncode)
        return done.returncode == 0


def is_learning_due(state: LearningState, now: datetime) -> bool:
    """Of item vectors from behaviour; `now` in the local time whose nights are meant."""
    is_night = now.hour in NIGHT_HOURS
    if state.learned_at is None:
        return state.n_users >= MIN_USERS and state.n_seen >= (MIN_ITEMS if is_night else ENOUGH_AT_ONCE)
    return state.people != state.learned_people and now - state.learned_at >= (LEARN_AFTER if is_night else LEARN_BY_DAY_AFTER)


def is_nightly_due(state: CountState, done_at: datetime | None, now: datetime) -> bool:
    """Of what is done once a night; by day where a night was missed. `done_at`: by this process; `now` as above."""
    if done_at is not None and now - done_at < LEARN_AFTER:
        return False
    is_behind = state.last_on is not None and (state.counted_on is None or state.counted_on < state.last_on)
    return now.hour in NIGHT_HOURS or is_behind
