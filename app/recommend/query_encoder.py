"""Query texts to vectors in a child process, so that this one never holds torch.

The child starts with the first query and ends after some idle minutes: loaded, it holds half a gigabyte.
"""

import threading
import time
from collections import OrderedDict

import structlog

from app.recommend.encoder_process import EncoderProcess, Vector

log = structlog.get_logger()

MAX_CHARACTERS = 2_000
MAX_REMEMBERED = 1_000
RETRY_SECONDS = 30.0
# Loading takes seconds of a core: two models asked in turn would otherwise only ever load.
MIN_KEPT_SECONDS = 120.0


class QueryEncoder:
    """One child at a time, and the vectors of the latest queries. For many threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: EncoderProcess | None = None
        self._failed_at: dict[str, float] = {}
        self._remembered: OrderedDict[tuple[str, str], Vector] = OrderedDict()

    def encode(self, text: str, model_name: str, model_digest: str, wait_seconds: float = 1.0) -> Vector | None:
        """The unit vector, shape (d,), not centred, read-only. None, at once, while the model loads, could not be loaded or
        has other weights than these; None after `wait_seconds` without an answer."""
        text = text[:MAX_CHARACTERS].encode(errors="replace").decode()
        with self._lock:
            vector = self._remembered.get((model_digest, text))
            if vector is not None:
                self._remembered.move_to_end((model_digest, text))
                return vector
            child = self._loaded_child(model_name, model_digest)
        vector = child.ask(text, wait_seconds) if child is not None else None
        if vector is not None:
            self._remember((model_digest, text), vector)
        return vector

    def stop(self) -> None:
        """End the child. A later query starts another."""
        with self._lock:
            if self._child is not None:
                self._child.stop()
            self._child = None

    def _loaded_child(self, model_name: str, model_digest: str) -> EncoderProcess | None:
        child, now = self._child, time.monotonic()
        if child is not None and child.is_alive():
            if (child.model_name, child.digest) == (model_name, model_digest):
                return child
            # Another model, or weights on disk that were replaced since.
            if child.loaded_at is None or now - child.loaded_at < MIN_KEPT_SECONDS:
                return None
            child.stop()
        elif child is not None and child.failed_at is not None:
            self._failed_at[child.model_name] = child.failed_at
        self._child = None
        if now - self._failed_at.get(model_name, -RETRY_SECONDS) >= RETRY_SECONDS:
            self._start(model_name)
        return None

    def _start(self, model_name: str) -> None:
        try:
            self._child = EncoderProcess(model_name)
        except OSError as error:
            self._failed_at[model_name] = time.monotonic()
            log.warning("query encoder not started", model=model_name, error=str(error))

    def _remember(self, key: tuple[str, str], vector: Vector) -> None:
        with self._lock:
            self._remembered[key] = vector
            while len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
