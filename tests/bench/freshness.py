"""How soon a play shows in the next answer, over HTTP, while others arrive.

    python -m tests.bench.freshness [--seconds 40] [--rate 50] [--json FILE]

A service and a worker of their own, 4,000 films, 200 users, and one who has played 20,000 times. `rate` plays a second are sent by other
connections. Again and again the first item of somebody's list is played, and their list asked for until it is gone: the time from
sending the play to that answer, for everybody and for the one with 20,000 plays.
"""

import argparse
import itertools
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.commands.bench import scratch_engines
from jobs.bench_data import DIMENSION, plant_world
from jobs.bench_search import summary
from jobs.bench_serve import ADMIN_KEY, start_service, wait_until_ready

N_ITEMS, N_USERS, N_OF_HEAVY = 4_000, 200, 20_000
HEAVY = f"user {N_USERS}"
PORT = 8766
N_SENDERS = 5


def play(user: str, item: str, play_id: str, started_at: datetime) -> dict[str, Any]:
    return {"play_id": play_id, "user_id": user, "item_id": item, "started_at": started_at.isoformat(), "percent": 100.0}


class Service:
    """Calls over HTTP; one for each thread."""

    def __init__(self) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}", headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=30, trust_env=False
        )

    def send(self, plays: list[dict[str, Any]]) -> None:
        answer = self._client.post("/ingest/plays", json={"server_id": "bench", "plays": plays})
        answer.raise_for_status()
        assert not answer.json()["rejected"], answer.json()

    def items(self, user: str) -> list[str]:
        answer = self._client.get("/recommendations", params={"server_id": "bench", "user_id": user})
        answer.raise_for_status()
        return [item["item_id"] for item in answer.json()["items"]]


def give_history(service: Service, random: np.random.Generator) -> None:
    """20,000 sittings of one user over half of the library, a few hours apart."""
    now = datetime.now(UTC)
    items = random.integers(1, N_ITEMS // 2, size=N_OF_HEAVY)
    plays = [play(HEAVY, f"item {item}", f"old {n}", now - timedelta(hours=3 * (n + 1))) for n, item in enumerate(items)]
    for start in range(0, len(plays), 5_000):
        service.send(plays[start : start + 5_000])


def send_others(stopping: threading.Event, rate: float, sent: list[float], sender: int) -> None:
    service, random = Service(), np.random.default_rng(sender)
    started = time.perf_counter()
    for number in itertools.count():
        due = started + number * N_SENDERS / rate
        if stopping.wait(max(due - time.perf_counter(), 0)):
            return
        user, item = random.integers(N_USERS), random.integers(1, N_ITEMS)
        begun = time.perf_counter()
        service.send([play(f"user {user}", f"item {item}", f"other {sender} {number}", datetime.now(UTC))])
        sent.append(time.perf_counter() - begun)


def freshness(service: Service, users: list[str], seconds: float, tag: str) -> list[float]:
    spent: list[float] = []
    until = time.perf_counter() + seconds
    for number in itertools.count():
        if time.perf_counter() > until:
            return spent
        user = users[number % len(users)]
        first = service.items(user)[0]
        begun = time.perf_counter()
        service.send([play(user, first, f"{tag} {number}", datetime.now(UTC))])
        while first in service.items(user):
            pass
        spent.append(time.perf_counter() - begun)
    raise AssertionError("unreachable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    vectors = random.standard_normal((N_ITEMS, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    histories = [random.choice(N_ITEMS, size=int(length), replace=False) for length in random.integers(5, 400, size=N_USERS)]
    with scratch_engines() as (_, url, work, _):
        plant_world(work, vectors, [*histories, np.array([0])], N_ITEMS)
        process, environment = start_service(url, PORT)
        worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment, stdin=subprocess.DEVNULL)
        stopping, sent = threading.Event(), list[float]()
        others = [threading.Thread(target=send_others, args=(stopping, arguments.rate, sent, n)) for n in range(N_SENDERS)]
        try:
            wait_until_ready(PORT, process)
            service = Service()
            give_history(service, random)
            everybody = [f"user {number}" for number in range(N_USERS)]
            freshness(service, everybody[:20], 5, "warm-up")
            for sender in others:
                sender.start()
            started = time.perf_counter()
            rows = [
                {
                    "name": f"200 users, {arguments.rate:.0f} plays a second",
                    **summary(freshness(service, everybody, arguments.seconds, "a")),
                },
                {"name": "the one with 20,000 plays", **summary(freshness(service, [HEAVY], arguments.seconds, "b"))},
            ]
            rows.append({"name": "sending one play", **summary(sent), "sent_per_second": len(sent) / (time.perf_counter() - started)})
        finally:
            stopping.set()
            for sender in others:
                if sender.is_alive():
                    sender.join()
            for one in (worker, process):
                one.terminate()
                one.wait(10)
    for row in rows:
        print(row)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"results": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
