"""The child process that holds a text model, seen from the side that asks."""

import base64
import contextlib
import itertools
import queue
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt
import structlog

from app.errors import ModelMissing
from app.learn import encode_lines
from app.learn.encode_lines import Answer, Hello, Query, from_line, to_line

log = structlog.get_logger()

Vector = npt.NDArray[np.float32]

IDLE_SECONDS = 600.0
# A first load may download the model.
LOAD_SECONDS = 600.0
# The longest text takes 0.1 s on an idle core.
ANSWER_SECONDS = 10.0
LOOK_EVERY_SECONDS = 1.0


class EncoderProcess:
    """A process with a model, and the thread that owns its pipes: one question, then its answer."""

    def __init__(self, model_name: str) -> None:
        """Starts it. Raises OSError."""
        self.model_name = model_name
        self.digest: str | None = None
        self.loaded_at: float | None = None
        self.failed_at: float | None = None
        self._is_stopping = False
        self._ids = itertools.count(1)
        self._waiting: queue.SimpleQueue[tuple[Query, Future[Vector | None]] | None] = queue.SimpleQueue()
        # It dies with this process as its standard input ends. PDEATHSIG would fire with the request's thread that started it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", encode_lines.__name__, model_name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the service, which ends it
        )
        self._thread = threading.Thread(target=self._run, name="query-encoder", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def ask(self, text: str, wait_seconds: float) -> Vector | None:
        answer: Future[Vector | None] = Future()
        self._waiting.put((Query(next(self._ids), text), answer))
        try:
            return answer.result(wait_seconds)
        except TimeoutError:
            answer.cancel()
            return None

    def stop(self) -> None:
        self._is_stopping = True
        self._process.kill()
        self._waiting.put(None)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            hello = Hello(**from_line(self._read_line(LOAD_SECONDS)))
            if hello.error:
                raise ModelMissing(hello.error)
            self.loaded_at = time.monotonic()
            self.digest = hello.digest
            self._serve(hello.dimension)
        except (OSError, ValueError, TypeError, ModelMissing) as error:
            if not self._is_stopping:
                if self.loaded_at is None:
                    self.failed_at = time.monotonic()
                log.warning("query encoder failed", model=self.model_name, error=str(error))
        finally:
            self._end()

    def _serve(self, dimension: int) -> None:
        """Until it is stopped or nobody asked for IDLE_SECONDS. Raises OSError when the process ended, ValueError on nonsense."""
        asked_at = time.monotonic()
        while time.monotonic() - asked_at < IDLE_SECONDS:
            try:
                asked = self._waiting.get(timeout=LOOK_EVERY_SECONDS)
            except queue.Empty:
                if self._process.poll() is not None:
                    raise self._ended() from None
                continue
            if asked is None:
                return
            asked_at = time.monotonic()
            query, answer = asked
            if answer.set_running_or_notify_cancel():  # not for those who gave up
                self._exchange(query, answer, dimension)

    def _exchange(self, query: Query, answer: Future[Vector | None], dimension: int) -> None:
        vector = None
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(to_line(query))
            self._process.stdin.flush()
            said = Answer(**from_line(self._read_line(ANSWER_SECONDS)))
            if said.id != query.id:
                raise ValueError("an answer to another question")
            if said.error:
                log.warning("query not encoded", model=self.model_name, error=said.error)
            else:
                vector = np.frombuffer(base64.b64decode(said.vector), dtype=np.float32).reshape(dimension)
        finally:
            answer.set_result(vector)

    def _read_line(self, timeout_seconds: float) -> bytes:
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        if not poll.poll(timeout_seconds * 1000):
            raise TimeoutError(f"no answer in {timeout_seconds:.0f} s")
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        return line

    def _ended(self) -> OSError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        return ChildProcessError(f"the process ended with status {self._process.returncode}")

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # Closing writes what a dead process did not take.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(queue.Empty):
            while True:
                asked = self._waiting.get_nowait()
                if asked is not None and asked[1].set_running_or_notify_cancel():
                    asked[1].set_result(None)
