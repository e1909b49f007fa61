"""`palate bench serve`: GET /recommendations over HTTP, by fused scores and then with a ranker, beside a no-op endpoint of the same process
and the bare search; and where the time of an answer goes.

The load comes from threads of this process with connections of their own, on the same cores as the service.
"""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from app.db import Engine
from app.db.embedded import die_with_parent
from jobs.bench_data import DataKind, World, build_world
from jobs.bench_ranker import grow_ranker, plant_collab, put_ranker
from jobs.bench_search import LIMIT, measure_search, summary
from jobs.bench_stages import WHOLE, measure_stages

READY_SECONDS = 30.0
ADMIN_KEY = "bench-key-of-this-run-alone"
# As many trees and leaves as one has that was trained on MovieLens 1M.
RANKED = "recommendations with a ranker (some 150 trees, grown on served lists)"

Row = dict[str, Any]


def bench_serve(
    work: Engine, serve: Engine, url: str, kind: DataKind, n_items: int, n_users: int, model_name: str, *,
    port: int, n_connections: int, seconds: float, seed: int,
) -> list[Row]:  # fmt: skip
    world = build_world(work, kind, n_items, n_users, model_name, seed)
    plant_collab(work, world, seed)
    stage = grow_ranker(work, serve, world, seed)
    paths = [f"/recommendations?server_id=bench&user_id={user.replace(' ', '%20')}&limit={LIMIT}" for user in world.histories]
    process, _ = start_service(url, port)
    try:
        wait_until_ready(port, process)
        _load("warm-up", port, paths, n_connections, seconds / 2)
        rows = _loads("floor: no-op endpoint", port, ["/health/live"], n_connections, seconds)
        rows += [_search_floor(serve, world), *_loads("recommendations by fused scores", port, paths, n_connections, seconds)]
        put_ranker(work, world, stage)
        _wait_until_ranked(port, paths[0])
        _load("warm-up", port, paths, n_connections, seconds / 2)
        ranked = _loads(RANKED, port, paths, n_connections, seconds)
        ranked.append(_load(f"{RANKED} without reasons, 1 connection", port, [f"{path}&explain=false" for path in paths], 1, seconds))
    finally:
        process.terminate()
        process.wait(10)
    stages = measure_stages(serve, world, stage)
    return [*rows, *ranked, *stages, _http(ranked[0], stages)]


def _loads(name: str, port: int, paths: list[str], n_connections: int, seconds: float) -> list[Row]:
    return [_load(f"{name}, {n} connection{'s' * (n > 1)}", port, paths, n, seconds) for n in dict.fromkeys((1, n_connections))]


def _http(served: Row, stages: list[Row]) -> Row:
    """What an answer takes beside what is done in process: the key, the parameters, HTTP, and writing for the slate log."""
    whole = next(row for row in stages if row["name"] == f"stage: {WHOLE}")
    return {"name": "stage: HTTP, key and parameters (served less in process)", "p50_ms": round(served["p50_ms"] - whole["p50_ms"], 3)}


def _wait_until_ranked(port: int, path: str) -> None:
    """The first who ask after a promotion are answered by fused scores."""
    connection, deadline = http.client.HTTPConnection("127.0.0.1", port, timeout=30), time.monotonic() + READY_SECONDS
    while b'"no_ranker"' in _get(connection, path):
        if time.monotonic() > deadline:
            raise RuntimeError("the service did not load the ranker")
        time.sleep(0.1)


def _search_floor(engine: Engine, world: World) -> Row:
    """The search of the same users, with reasons, without HTTP."""
    [found] = [row for row in measure_search(engine, world, world.histories) if row["name"] == "search with reasons"]
    return found | {"name": "floor: search with reasons"}


def start_service(url: str, port: int) -> "tuple[subprocess.Popen[bytes], dict[str, str]]":
    """The service on a database of its own, and its environment."""
    environment = os.environ | {
        "PALATE_DATABASE_URL": url, "PALATE_PORT": str(port), "PALATE_HOST": "127.0.0.1",
        "PALATE_ADMIN_KEY": ADMIN_KEY, "PALATE_SECRET_KEY": ADMIN_KEY, "PALATE_LOG_LEVEL": "warning",
    }  # fmt: skip
    command = [sys.executable, "-m", "app.cli", "serve"]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, preexec_fn=lambda: die_with_parent(signal.SIGTERM))
    return process, environment


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _get(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/health/ready")
            return
        except (OSError, RuntimeError):
            time.sleep(0.1)
    raise RuntimeError("the service did not become ready")


def _load(name: str, port: int, paths: list[str], n_connections: int, seconds: float) -> Row:
    """Each connection asks again as soon as it is answered."""
    spent: list[float] = []
    n_items: list[int] = []
    started = time.perf_counter()
    until = started + seconds

    def ask(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        mine, turn = [], first
        while (begun := time.perf_counter()) < until:
            # Another address each time, so that every answer is made anew (`--mix` measures those that are not).
            path = paths[turn % len(paths)]
            body = _get(connection, path if "?" not in path else f"{path}&asked={turn}-{started}")
            mine.append(time.perf_counter() - begun)
            n_items.append(body.count(b'"rank"'))
            turn += n_connections
        spent.extend(mine)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(n_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = {"name": name, **summary(spent), "per_second": round(len(spent) / (time.perf_counter() - started), 1)}
    if name.startswith("recommendations"):
        row["n_short"] = sum(n < LIMIT for n in n_items)
    return row


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"status {answer.status}")
    return body
