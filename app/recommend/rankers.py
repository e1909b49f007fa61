"""The rankers that a serving process holds in memory. No request waits for one to load."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from app.db import Engine, SQLAlchemyError, models

log = structlog.get_logger()

Loaded = TypeVar("Loaded")
# A server's id and a model's.
Key = tuple[int, int]

# Of the models' bytes: five of the largest, or dozens of a household's. Loaded, a model of trees is about as large as its bytes.
MAX_BYTES = 256 << 20
RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class _Held(Generic[Loaded]):
    loaded: Loaded
    size_bytes: int


class Rankers(Generic[Loaded]):
    """For many threads at once. Whoever was handed a ranker keeps it for the whole answer, whatever takes its place meanwhile."""

    def __init__(self, engine: Engine, load: Callable[[str, bytes], Loaded], count_failure: Callable[[], None] = lambda: None) -> None:
        """`load` makes a ranker of a model's name and bytes, and may raise anything; `count_failure` is told of each load that failed."""
        self._engine, self._load_ranker, self._count_failure = engine, load, count_failure
        self._lock = threading.Lock()
        # One thread for what is asked for, one for what `warm` loads meanwhile.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="rankers")
        self._is_stopped = False
        # The least recently used first.
        self._held: OrderedDict[Key, _Held[Loaded]] = OrderedDict()
        self._loading: set[Key] = set()
        # By server: the model that served last; the one that could not be loaded, and when that was tried.
        self._served: dict[int, int] = {}
        self._failed: dict[int, tuple[int, float]] = {}
        self.n_failed = 0

    def of(self, server_id: int, model_id: int | None) -> tuple[int, Loaded] | None:
        """The ranker to answer with where this model is live, and its own id: while it loads, it is the one that served before.
        None: fused scores serve, as no model is live, none is loaded yet, or it could not be."""
        with self._lock:
            if model_id is None:
                self._served.pop(server_id, None)
                return None
            key = server_id, model_id
            if key in self._held:
                self._served[server_id] = model_id
                return self._use(key)
            failed_id, failed_at = self._failed.get(server_id, (None, 0.0))
            if failed_id == model_id:
                if time.monotonic() - failed_at >= RETRY_SECONDS:
                    self._want(key)
                return None
            self._want(key)
            former = self._served.get(server_id)
            return None if former is None or (server_id, former) not in self._held else self._use((server_id, former))

    def warm(self, timeout_seconds: float, only: int | None = None) -> bool:
        """Begin to load what is live, `only` on this server, the latest promoted first and no more than is held. Waits so long for it, and
        returns whether that was enough; the rest goes on meanwhile."""
        try:
            self._threads.submit(self._load_live, only).result(timeout_seconds)
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """Load nothing more. A load that is under way ends first."""
        with self._lock:
            self._is_stopped = True
        self._threads.shutdown(cancel_futures=True)

    def _use(self, key: Key) -> tuple[int, Loaded]:
        self._held.move_to_end(key)
        return key[1], self._held[key].loaded

    def _want(self, key: Key) -> None:
        if key not in self._loading and not self._is_stopped:
            self._loading.add(key)
            self._threads.submit(self._load, key)

    def _load_live(self, only: int | None) -> None:
        try:
            with self._engine.begin() as connection:
                live = models.live_models(connection, only)
        except SQLAlchemyError as error:
            log.warning("live rankers not listed", error=type(error).__name__)
            return
        n_bytes = 0
        for one in live:
            n_bytes += one.size_bytes
            key = one.server_id, one.id
            with self._lock:
                if self._is_stopped or n_bytes > MAX_BYTES:
                    return
                if key in self._held or key in self._loading:
                    continue
                self._loading.add(key)
            self._load(key)

    def _load(self, key: Key) -> None:
        try:
            with self._engine.begin() as connection:
                name = models.get_model(connection, *key).name
                content = models.read_bytes(connection, *key)
            self._hold(key, _Held(self._load_ranker(name, content), len(content)))
        except Exception as error:  # whatever it is: fused scores serve, and it is tried again
            self._fail(key, error)

    def _hold(self, key: Key, held: _Held[Loaded]) -> None:
        server_id, model_id = key
        with self._lock:
            self._loading.discard(key)
            self._held[key] = held
            if self._failed.get(server_id, (None, 0.0))[0] == model_id:
                del self._failed[server_id]
            # The one that served before stays, to go back to; what served before that does not.
            for other in [one for one in self._held if one[0] == server_id and one[1] not in (model_id, self._served.get(server_id))]:
                del self._held[other]
            while sum(one.size_bytes for one in self._held.values()) > MAX_BYTES and len(self._held) > 1:
                self._held.popitem(last=False)
        log.info("ranker loaded", server_id=server_id, model_id=model_id)

    def _fail(self, key: Key, error: Exception) -> None:
        server_id, model_id = key
        with self._lock:
            self._loading.discard(key)
            is_known = self._failed.get(server_id, (None, 0.0))[0] == model_id
            self._failed[server_id] = model_id, time.monotonic()
            self.n_failed += 1
        self._count_failure()
        if not is_known:
            # The text of a database's error repeats values and addresses.
            detail = None if isinstance(error, SQLAlchemyError) else str(error)[:300]
            log.warning("ranker not loaded", server_id=server_id, model_id=model_id, error=type(error).__name__, detail=detail)
