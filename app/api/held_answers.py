"""Answers kept in the memory of a serving process, bounded by their number and their bytes."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

# Of a process. An answer takes some 5 kB, a home page 30.
MAX_ANSWERS = 4_000
MAX_BYTES = 32 << 20
# Of what is kept beside a body.
BYTES_BESIDE = 1_000


@dataclass(frozen=True)
class Held:
    """`server_id` and `user_id`: whose answer it is, as the address said."""

    tag: str
    body: bytes
    server_id: str
    user_id: str | None


class HeldAnswers:
    """The last answer to each address, those asked for longest ago dropped first. For many threads at once."""

    def __init__(self, max_answers: int = MAX_ANSWERS, max_bytes: int = MAX_BYTES) -> None:
        self._max_answers, self._max_bytes = max_answers, max_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[bytes, Held] = OrderedDict()
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, address: bytes) -> Held | None:
        with self._lock:
            held = self._held.get(address)
            if held is not None:
                self._held.move_to_end(address)
            return held

    def put(self, address: bytes, held: Held) -> None:
        with self._lock:
            self._drop(address)
            # What orjson made keeps the room that it was made in, twice what it takes.
            self._held[address] = replace(held, body=bytes(memoryview(held.body)))
            self.n_bytes += BYTES_BESIDE + len(held.body)
            while len(self._held) > self._max_answers or self.n_bytes > self._max_bytes:
                self._drop(next(iter(self._held)))

    def drop(self, address: bytes) -> None:
        with self._lock:
            self._drop(address)

    def _drop(self, address: bytes) -> None:
        held = self._held.pop(address, None)
        if held is not None:
            self.n_bytes -= BYTES_BESIDE + len(held.body)
