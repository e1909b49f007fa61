"""One primary and two hot standbys on one machine: how many answers a second with none, one and two of them; a standby killed under load;
how soon one that falls behind is left alone; and whether somebody who has just posted a play is answered without it.

    python -m tests.bench.replication [--items 20000] [--users 40] [--seconds 8] [--connections 8] [--json FILE]
"""

import argparse
import contextlib
import json
import os
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy import text

from app.db.embedded import start_or_attach, stop
from app.db.engine import working_engine
from jobs.bench_data import build_world
from migrations.migrate import migrate
from tests.db.standby import clone
from tests.soak.service import Service, running

LAG_SECONDS = 2.0


def load(service: Service, paths: list[str], n_connections: int, seconds: float) -> dict[str, Any]:
    """Each connection asks again as soon as it is answered."""
    spent: list[float] = []
    statuses: Counter[int] = Counter()
    until = time.monotonic() + seconds

    def ask(first: int) -> None:
        turn = first
        with service.client() as client:
            while time.monotonic() < until:
                began = time.monotonic()
                # Another address each time, so that every answer is made anew.
                statuses[client.get(f"{paths[turn % len(paths)]}&asked={until}-{turn}").status_code] += 1
                spent.append(time.monotonic() - began)
                turn += n_connections

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(n_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Counted since the service started, its warm-up included.
    p50, p99 = np.percentile(spent, [50, 99])
    return {
        "n": len(spent), "n_on_standbys": measured(service, 'palate_reads_total{where="standby"}'),
        "n_asked_again": measured(service, 'palate_reads_total{where="failed"}'),
        "per_second": round(len(spent) / seconds, 1), "p50_ms": round(1000 * float(p50), 1), "p99_ms": round(1000 * float(p99), 1),
        "slowest_ms": round(1000 * max(spent)), "n_failed": len(spent) - statuses[200],
    }  # fmt: skip


def measured(service: Service, series: str) -> int:
    found = re.search(rf"^{re.escape(series)} (\d+)", httpx.get(f"{service.address}/metrics", timeout=20).text, re.MULTILINE)
    return int(found[1]) if found else 0


def n_fit(service: Service) -> int:
    return measured(service, 'palate_standbys{state="fit"}')


def until(has_come: Callable[[], bool]) -> float:
    """Seconds."""
    began = time.monotonic()
    while not has_come():
        if time.monotonic() - began > 60:
            raise TimeoutError
        time.sleep(0.05)
    return time.monotonic() - began


@contextlib.contextmanager
def served(primary: str, standbys: list[Path], folder: Path) -> Iterator[Service]:
    hosts = ",".join(str(standby / "socket") for standby in standbys)
    given = {"PALATE_DATABASE_READ_URL": f"postgresql://postgres@/postgres?host={hosts}"} if standbys else {}
    with running(primary, folder, PALATE_READ_LAG_SECONDS=str(LAG_SECONDS), **given) as service:
        until(lambda: n_fit(service) == len(standbys))
        yield service


def kill_one(service: Service, standby: Path, paths: list[str], n_connections: int, seconds: float) -> dict[str, Any]:
    pid = int((standby / "postgres" / "postmaster.pid").read_text().split()[0])
    killing = threading.Timer(seconds / 2, os.kill, (pid, signal.SIGKILL))
    killing.start()
    row = load(service, paths, n_connections, seconds)
    killing.join()
    return row | {"n_fit_after": n_fit(service)}


def own_writes(service: Service, users: list[str], folder: Path) -> dict[str, Any]:
    """While the standby does not replay: each posts a play of the first title they are offered, and asks again at once."""
    n_missed = 0
    engine = working_engine(f"postgresql+psycopg://postgres@/postgres?host={folder / 'socket'}")
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_wal_replay_pause()"))
    with service.client() as client:
        began = time.monotonic()
        for user in users:
            asked = {"server_id": "bench", "user_id": user, "limit": 20}
            first = client.get("/recommendations", params=asked).json()["items"][0]["item_id"]
            play = {"play_id": f"own {user}", "user_id": user, "item_id": first, "completed": True}
            client.post("/ingest/plays", json={"server_id": "bench", "plays": [play]}).raise_for_status()
            n_missed += first in [item["item_id"] for item in client.get("/recommendations", params=asked).json()["items"]]
        left_alone = time.monotonic() - began + until(lambda: n_fit(service) == 0)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_wal_replay_resume()"))
    engine.dispose()
    back = until(lambda: n_fit(service) == 1)
    return {"n_users": len(users), "n_missed": n_missed, "left_alone_after_s": round(left_alone, 1), "back_after_s": round(back, 1)}


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    primary = start_or_attach(folder / "primary")
    standbys = []
    try:
        engine = working_engine(primary.url)
        migrate(engine)
        world = build_world(engine, "planted", arguments.items, arguments.users, "", 0)
        engine.dispose()
        names = ["one", "two"]
        standbys = [clone(primary, folder / name, name) for name in names]
        folders = [folder / name for name in names]
        users = list(world.histories)
        paths = [f"/recommendations?server_id=bench&user_id={user.replace(' ', '%20')}&limit=20" for user in users]
        found: dict[str, Any] = {}
        for n in range(3):
            with served(primary.url, folders[:n], folder / "data") as service:
                load(service, paths, arguments.connections, 2)
                found[f"{n} standbys"] = load(service, paths, arguments.connections, arguments.seconds)
        with served(primary.url, folders, folder / "data") as service:
            found["one of two killed"] = kill_one(service, folders[0], paths, arguments.connections, arguments.seconds)
            found["own writes, the other held back"] = own_writes(service, users, folders[1])
        return found
    finally:
        for database in (*standbys, primary):
            stop(database)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments)
    for name, row in found.items():
        print(f"{name}: {row}")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
