"""Who has just written, and is answered from the primary until every standby has it. All web processes are told, through the primary."""

import contextlib
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import psycopg
import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import serving_engine

log = structlog.get_logger()

# Beyond so many, those whose time is over are forgotten.
MAX_WRITERS = 100_000
# A notification of PostgreSQL's holds less than 8,000 bytes.
MAX_PAYLOAD_BYTES = 7_900
RETRY_SECONDS = 0.5
LISTENS_SECONDS = 1.0


class RecentWriters:
    """For many threads at once. Who wrote in this process counts at once, who wrote in another as soon as its word comes."""

    def __init__(self, primary: Engine, pinned_seconds: float) -> None:
        self._pinned_seconds = pinned_seconds
        # One that listens and one that tells.
        self._primary = serving_engine(primary.url.render_as_string(hide_password=False), 2)
        self._until: dict[tuple[str, str | None], float] = {}
        self._everybody_until = 0.0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="recent writers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=15)
        self._primary.dispose()

    def note(self, server: str, users: Iterable[str] | None) -> None:
        """These users were just written to, or (None) something that everybody on the server reads. Call it after the commit."""
        noted = [None] if users is None else list(users)
        self._pin(server, noted)
        try:
            with self._primary.begin() as connection:
                connection.execute(text("SELECT pg_notify('palate_wrote', :payload)"), {"payload": _payload(server, noted)})
        except SQLAlchemyError as error:
            # It is written; another process may answer as of before for as long as a standby may lag.
            log.warning("others were not told of a write", error=type(error).__name__)

    def hold(self, server: str, user: str | None) -> bool:
        """Whether a standby may not have what was written for them."""
        now = time.monotonic()
        return self._everybody_until > now or any(self._until.get(key, 0.0) > now for key in ((server, user), (server, None)))

    def _pin(self, server: str, users: Sequence[str | None]) -> None:
        until = time.monotonic() + self._pinned_seconds
        with self._lock:
            if len(self._until) > MAX_WRITERS:
                now = time.monotonic()
                self._until = {key: end for key, end in self._until.items() if end > now}
            for user in users:
                self._until[server, user] = until

    def _listen(self) -> None:
        while not self._stopping.is_set():
            # Without the primary nothing is written.
            with contextlib.suppress(SQLAlchemyError, psycopg.Error):
                for payload in self._heard():
                    server, users = json.loads(payload)
                    self._pin(server, users)
            self._stopping.wait(RETRY_SECONDS)

    def _heard(self) -> Iterator[str]:
        with self._primary.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("LISTEN palate_wrote"))
            # What was told while this process did not listen is not told again.
            self._everybody_until = time.monotonic() + self._pinned_seconds
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            while not self._stopping.is_set():
                yield from (told.payload for told in driver.notifies(timeout=LISTENS_SECONDS))


def _payload(server: str, users: Sequence[str | None]) -> str:
    """The server and its users; of a great many, that it is everybody."""
    payload = json.dumps([server, users])
    return payload if len(payload) <= MAX_PAYLOAD_BYTES else json.dumps([server, [None]])
