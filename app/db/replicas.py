"""Reads on hot standbys, where one is near enough to the primary; else on the primary.

Whoever has just written reads from the primary for as long as a standby may lag (`RecentWriters`).
"""

import contextlib
import functools
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.engine import serving_engine
from app.db.recent_writers import RecentWriters
from app.errors import PalateError

log = structlog.get_logger()

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

MAX_POLL_SECONDS = 0.5
# Of a standby whose machine is gone, not its process: nothing else would end the wait. Milliseconds.
TCP_USER_TIMEOUT = "5000"
MAX_SAMPLES = 10_000
STATEMENT_TIMEOUT = "57014"

_PRIMARY_ONLY: ContextVar[bool] = ContextVar("primary_only", default=False)


class StandbyFailed(PalateError):
    """A standby could not answer. Try again in a moment."""

    status, title = 503, "Not ready"


def asked_again(endpoint: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """What a standby could not answer is asked of the primary. The endpoint only reads, so that asking twice does no harm."""

    @functools.wraps(endpoint)
    def ask(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        try:
            return endpoint(*args, **kwargs)
        except StandbyFailed:
            token = _PRIMARY_ONLY.set(True)
            try:
                return endpoint(*args, **kwargs)
            finally:
                _PRIMARY_ONLY.reset(token)

    return ask


class Reads:
    """Connections to read on. `count` is told where each went: standby, primary (no standby was fit), own_write or failed."""

    def __init__(
        self, primary: Engine, read_url: str | None, pool_size: int, lag_seconds: float, count: Callable[[str], None] = lambda _where: None
    ) -> None:
        self._primary, self._count = primary, count
        poll_seconds = min(MAX_POLL_SECONDS, lag_seconds / 4)
        urls = [] if read_url is None else hosts_of(read_url)
        self.standbys = [Standby(primary, url, pool_size, lag_seconds, poll_seconds) for url in urls]
        # A standby that is fit has what was written so long ago: it lags no more than it may, and was looked at so lately.
        self.writers = RecentWriters(primary, lag_seconds + 2 * poll_seconds) if urls else None
        self._turns = itertools.count()

    def start(self) -> None:
        if self.writers is not None:
            self.writers.start()
        for standby in self.standbys:
            standby.start()

    def stop(self) -> None:
        for standby in self.standbys:
            standby.stop()
        if self.writers is not None:
            self.writers.stop()

    @contextlib.contextmanager
    def begin(self, server: str, user: str | None) -> Iterator[Connection]:
        """A transaction to answer this user in, or anybody. Raises StandbyFailed, which `asked_again` answers."""
        with self.look(server, user) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def look(self, server: str, user: str | None) -> Iterator[Connection]:
        """As `begin`, without a transaction: for a query that is asked at once."""
        standby = self._choose(server, user)
        if standby is None:
            with self._primary.connect() as connection:
                yield connection
            return
        try:
            with standby.engine.connect() as connection:
                yield connection
        except PoolTimeout:
            raise  # busy: asking the primary as well would make the caller wait twice
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == STATEMENT_TIMEOUT:
                raise
            if error.connection_invalidated or getattr(error.orig, "sqlstate", None) is None:
                standby.is_fit = False
            self._count("failed")
            raise StandbyFailed from error
        except PalateError as error:
            # "Unknown user" of one who came a moment ago, "unknown key" of a new one: the primary knows.
            raise StandbyFailed from error

    def wrote(self, server: str, users: Iterable[str] | None) -> None:
        """These users were just written to, or (None) something that everybody on the server reads. Call it after the commit."""
        if self.writers is not None:
            self.writers.note(server, users)

    def _choose(self, server: str, user: str | None) -> "Standby | None":
        if self.writers is None:
            return None
        if self.writers.hold(server, user):
            self._count("own_write")
            return None
        fit = [] if _PRIMARY_ONLY.get() else [standby for standby in self.standbys if standby.is_fit]
        self._count("standby" if fit else "primary")
        return fit[next(self._turns) % len(fit)] if fit else None


class Standby:
    """One hot standby, looked at from a thread of its own. It is fit to answer once it has caught up, while it lags no more than it may.

    How far it lags is told by the primary's positions in the log and when they were read: a standby that has lost its primary would
    itself say that it has replayed all it received.
    """

    def __init__(self, primary: Engine, url: URL, pool_size: int, lag_seconds: float, poll_seconds: float) -> None:
        shown = url.render_as_string(hide_password=False)
        self.engine = serving_engine(shown, pool_size)
        # Of their own: what is asked now and then must not wait for a pool whose connections are all in use.
        self._own = serving_engine(shown, 1)
        self._primary = serving_engine(primary.url.render_as_string(hide_password=False), 1)
        self._lag_seconds, self._poll_seconds = lag_seconds, poll_seconds
        # When the primary was where the standby has not yet come, the oldest first.
        self._ahead: deque[tuple[float, int]] = deque()
        self._has_caught_up = False
        self.is_fit = False
        self.lag_seconds = float("inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="standby", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=15)
        for engine in (self.engine, self._own, self._primary):
            engine.dispose()

    def look(self, now: float) -> None:
        """`now`: monotonic."""
        self._note_primary(now)
        try:
            with self._own.begin() as connection:
                row = connection.execute(
                    text("SELECT pg_is_in_recovery() AS is_standby, pg_last_wal_replay_lsn() - '0/0' AS replayed")
                ).one()
        except SQLAlchemyError:
            self._become(fit=False)
            return
        if not row.is_standby:  # it was promoted, and may go its own way
            self._become(fit=False)
            return
        while self._ahead and self._ahead[0][1] <= row.replayed:
            self._ahead.popleft()
            self._has_caught_up = True
        self.lag_seconds = now - self._ahead[0][0] if self._ahead else 0.0
        self._become(fit=self._has_caught_up and self.lag_seconds <= self._lag_seconds)

    def _note_primary(self, now: float) -> None:
        """While the primary is away nothing is written, and the standby may answer for it."""
        with contextlib.suppress(SQLAlchemyError), self._primary.begin() as connection:
            position = int(connection.execute(text("SELECT pg_current_wal_lsn() - '0/0'")).scalar_one())
            if len(self._ahead) < MAX_SAMPLES:
                self._ahead.append((now, position))

    def _become(self, *, fit: bool) -> None:
        if fit != self.is_fit:
            log.warning("standby answers" if fit else "standby is left alone", host=self._host(), lag_seconds=round(self.lag_seconds, 1))
        self.is_fit = fit

    def _host(self) -> str:
        return str(self.engine.url.query.get("host") or self.engine.url.host)

    def _run(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            self.look(time.monotonic())


def hosts_of(url: str) -> Sequence[URL]:
    """One URL for each host that `?host=a,b&port=1,2` names, or the one URL that it is."""
    target = make_url(url)
    hosts, ports = (_listed(target.query.get(name)) for name in ("host", "port"))
    bare = target.difference_update_query(["host", "port"]).update_query_dict({"tcp_user_timeout": TCP_USER_TIMEOUT})
    if not hosts:
        return [bare]
    numbered = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts) or [""] * len(hosts), strict=False)
    return [bare.update_query_dict({"host": host} | ({"port": port} if port else {})) for host, port in numbered]


def _listed(given: str | Sequence[str] | None) -> list[str]:
    parts = [given] if isinstance(given, str) else list(given or ())
    return [one for part in parts for one in part.split(",")]
