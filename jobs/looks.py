"""How a worker looks again and again, whatever goes wrong, and writes down that it does."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import structlog

from app.db import Engine, SQLAlchemyError
from app.db.looks import LookName, note_look
from app.errors import PalateError
from jobs.steps import unforeseen

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 3.0
# Looking may cost more on a large database: no more than this share of the time, unless nobody would look for longer than a minute.
SHARE_OF_TIME, LONGEST_PAUSE_SECONDS = 0.05, 60.0
NOTE_EVERY_SECONDS = 10.0


def look_again_and_again(look: Callable[[], None], name: LookName, stopping: threading.Event) -> None:
    pause = 0.0
    while not stopping.wait(pause):
        started = time.monotonic()
        with going_on(look=name):
            look()
        pause = pause_after(time.monotonic() - started)


def pause_after(seconds: float) -> float:
    """After a look that took so long."""
    return min(max(LOOK_EVERY_SECONDS, seconds / SHARE_OF_TIME), LONGEST_PAUSE_SECONDS)


@contextlib.contextmanager
def going_on(**what: str) -> Iterator[None]:
    """Whatever fails is tried again at the next look: nobody would start a thread anew. Its text may repeat values of a statement."""
    try:
        yield
    except Exception as error:
        log.warning("worker will try again", error=type(error).__name__, **what)
        if not isinstance(error, SQLAlchemyError | PalateError):
            unforeseen(error)


class Noted:
    """Writes down, every ten seconds at most, that there was a look. It may be told so in the way of progress."""

    def __init__(self, engine: Engine, name: LookName) -> None:
        self._engine, self._name, self._due = engine, name, 0.0

    def __call__(self, _done: int = 0, _total: int = 0, /) -> None:
        if time.monotonic() < self._due:
            return
        with self._engine.begin() as connection:
            note_look(connection, self._name)
        self._due = time.monotonic() + NOTE_EVERY_SECONDS
