"""`palate bench serve --mix`: callers who mostly ask for what they have, beside callers who never do, and a no-op endpoint.

Nine in ten ask again for what they hold, one asks for something new, and one in a hundred tells a play; tastes are refreshed meanwhile, as
the worker does.
"""

import http.client
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from urllib.parse import quote

from app.db import Engine
from app.types import unseen
from jobs.bench_data import DataKind, build_world
from jobs.bench_search import LIMIT, Row, summary
from jobs.bench_serve import ADMIN_KEY, start_service, wait_until_ready
from jobs.refresh_tastes import refresh_stale

FRESH, PLAYS = 0.10, 0.01
REFRESH_EVERY_SECONDS = 1.0


@dataclass
class Caller:
    """A connection that keeps the tags of its answers. `spent`: seconds by what was asked."""

    port: int
    users: list[str]
    items: list[str]
    random: Random
    server: str = "bench"
    tags: dict[str, str] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    n_asked: int = 0

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def nothing(self) -> None:
        self._send("no-op", "GET", "/health/live")

    def again(self) -> None:
        """What this caller holds, by its tag."""
        path = self._path()
        tag = self._send("repeat", "GET", path, {"If-None-Match": self.tags.get(path, "")})
        if tag is not None:
            self.tags[path] = tag

    def held(self) -> None:
        """What the service holds."""
        self._send("held", "GET", self._path())

    def anew(self) -> None:
        """As if nobody had asked before: another address is another question."""
        self.n_asked += 1
        self._send("fresh", "GET", f"{self._path()}&asked={id(self)}-{self.n_asked}")

    def play(self) -> None:
        self.n_asked += 1
        row = {
            "play_id": f"{id(self)} {self.n_asked}", "user_id": self.random.choice(self.users),
            "item_id": self.random.choice(self.items), "percent": 100,
        }  # fmt: skip
        self.tell("plays", row)

    def tell(self, rows: str, row: Mapping[str, object]) -> None:
        body = json.dumps({"server_id": self.server, rows: [row]})
        self._send(rows.removesuffix("s"), "POST", f"/ingest/{rows}", {"Content-Type": "application/json"}, body)

    def mixed(self) -> None:
        draw = self.random.random()
        step = self.play if draw < PLAYS else self.anew if draw < PLAYS + FRESH else self.again
        step()

    def _path(self) -> str:
        return f"/recommendations?server_id={self.server}&user_id={quote(self.random.choice(self.users))}&limit={LIMIT}"

    def _send(self, name: str, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None) -> str | None:
        begun = time.perf_counter()
        self.connection.request(method, path, body, {"Authorization": f"Bearer {ADMIN_KEY}"} | (headers or {}))
        answer = self.connection.getresponse()
        answer.read()
        seconds = time.perf_counter() - begun
        if answer.status not in (200, 304):
            raise RuntimeError(f"status {answer.status}")
        self.spent["not modified" if answer.status == 304 else name].append(seconds)
        return answer.headers.get("ETag")


def bench_mix(
    work: Engine, url: str, kind: DataKind, n_items: int, n_users: int, model_name: str, *,
    port: int, n_connections: int, seconds: float, seed: int,
) -> list[Row]:  # fmt: skip
    world = build_world(work, kind, n_items, n_users, model_name, seed)
    users = list(world.histories)
    process, _ = start_service(url, port)
    stopping = threading.Event()

    def refresh() -> None:
        while not stopping.wait(REFRESH_EVERY_SECONDS):
            refresh_stale(work, world.server.id, datetime.now(UTC), unseen)

    refreshing = threading.Thread(target=refresh)
    try:
        wait_until_ready(port, process)
        items = [f"item {number}" for number in range(1, 101)]
        callers = [Caller(port, users, items, Random(seed + number)) for number in range(n_connections)]
        _load(callers, Caller.again, seconds / 2)
        rows = []
        for n in dict.fromkeys((1, n_connections)):
            for name, step in (
                ("floor: no-op endpoint", Caller.nothing), ("not modified", Caller.again), ("held in memory", Caller.held),
                ("made anew", Caller.anew),
            ):  # fmt: skip
                rows.append(_row(f"{name}, {n} connection{'s' * (n > 1)}", _load(callers[:n], step, seconds), seconds))
        refreshing.start()
        spent = _load(callers, Caller.mixed, seconds)
    finally:
        stopping.set()
        if refreshing.is_alive():
            refreshing.join()
        process.terminate()
        process.wait(10)
    rows.append(_row(f"mix of 90% repeats, 10% new, 1% plays, {n_connections} connections", spent, seconds))
    return [*rows, *(_row(f"mix: {name}", {name: times}, seconds) for name, times in sorted(spent.items()))]


def _load(callers: list[Caller], step: Callable[[Caller], None], seconds: float) -> dict[str, list[float]]:
    """Each asks again as soon as it is answered. Returns the times by what was asked."""
    started = time.perf_counter()

    def run(caller: Caller) -> None:
        caller.spent.clear()
        # Left alone for some seconds, the service closes it; the next request opens it.
        caller.connection.close()
        while time.perf_counter() < started + seconds:
            step(caller)

    threads = [threading.Thread(target=run, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together: dict[str, list[float]] = defaultdict(list)
    for caller in callers:
        for name, times in caller.spent.items():
            together[name] += times
    return together


def _row(name: str, spent: dict[str, list[float]], seconds: float) -> Row:
    times = [one for some in spent.values() for one in some]
    return {"name": name, **summary(times), "per_second": round(len(times) / seconds, 1)}
