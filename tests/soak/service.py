"""A service in a process of its own, that can be stopped, killed and waited for; and those who send to it all the while."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from app.db import Connection
from tests.db.household import Body
from tests.planted import ADMIN_KEY

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True)
class Service:
    process: "subprocess.Popen[bytes]"
    address: str

    def get(self, path: str, timeout_seconds: float = 60) -> httpx.Response:
        """Without a key, on a connection of its own."""
        # Certificates, which nobody asks for here, take longer to read than most answers.
        return httpx.get(f"{self.address}{path}", timeout=timeout_seconds, verify=False)

    def client(self, timeout_seconds: float = 20) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=timeout_seconds)


@contextlib.contextmanager
def running(url: str | None, folder: Path, command: str = "serve", **settings: str) -> Iterator[Service]:
    """`palate serve` or `palate up`, once it is ready; killed at the end if it still runs. Without `url`, with a database of its own."""
    port = free_port()
    environment = os.environ | {
        "PALATE_DATA_DIR": str(folder), "PALATE_PORT": str(port), "PALATE_ADMIN_KEY": ADMIN_KEY,
        "PALATE_LOG_LEVEL": "warning", **({} if url is None else {"PALATE_DATABASE_URL": url}), **settings,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    service = Service(process, f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 90
        while True:
            assert process.poll() is None
            with contextlib.suppress(httpx.HTTPError):
                if service.get("/health/ready").status_code == 200:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield service
    finally:
        with contextlib.suppress(ProcessLookupError):  # its web processes too, where it has several
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class Told:
    """What senders saw: which plays were acknowledged, the statuses, how long the longest answer took, when the last good one came."""

    acknowledged: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    slowest_seconds: float = 0.0
    last_good_at: float = 0.0

    def note(self, answer: httpx.Response, seconds: float, plays: Sequence[Body] = ()) -> None:
        self.statuses.append(answer.status_code)
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if answer.status_code == 200:
            self.last_good_at = time.monotonic()
            self.acknowledged |= {one["play_id"] for one in plays}


def send_plays(
    client: httpx.Client, server: str, plays: Sequence[Body], told: Told, at_once: int, stopping: threading.Event, insists: bool = False
) -> None:
    """Until all are sent, the service is gone, or it is time to stop. Who insists sends again what was refused, until it is taken."""
    for start in range(0, len(plays), at_once):
        batch, refused = plays[start : start + at_once], True
        while refused and not stopping.is_set():
            began = time.monotonic()
            try:
                answer = client.post("/ingest/plays", json={"server_id": server, "plays": batch})
            except httpx.TransportError:
                return
            told.note(answer, time.monotonic() - began, batch)
            refused = insists and answer.status_code != 200
            if refused:
                time.sleep(0.02)


def stored_plays(connection: Connection, server_id: int) -> list[str]:
    """The ids of the entries that were played, which are those of the plays."""
    sql = "SELECT e.external_id FROM plays p JOIN entries e ON e.server_id = p.server_id AND e.id = p.entry_id WHERE p.server_id = :id"
    return [str(one) for one in connection.execute(text(sql), {"id": server_id}).scalars()]


def n_wrong_engagement(connection: Connection, server_id: int) -> int:
    """Pairs of user and film whose engagement is not what their plays say, computed anew."""
    sql = """
        SELECT count(*)
        FROM (SELECT p.user_id, e.item_id, count(*) AS n_plays, max(p.started_at + make_interval(secs => p.played_seconds)) AS last_at
              FROM plays p JOIN entries e ON e.server_id = p.server_id AND e.id = p.entry_id
              WHERE p.server_id = :id GROUP BY p.user_id, e.item_id) AS said
        FULL JOIN (SELECT user_id, item_id, n_plays, last_at FROM engagement WHERE server_id = :id) AS kept USING (user_id, item_id)
        WHERE (said.n_plays, said.last_at) IS DISTINCT FROM (kept.n_plays, kept.last_at)
    """
    return int(connection.execute(text(sql), {"id": server_id}).scalar_one())


def films_and_plays(n: int, n_users: int = 5) -> tuple[list[Body], list[Body], list[Body]]:
    """Items, users, and a play of each item whose id is the item's."""
    items = [{"item_id": f"f{number}", "type": "movie", "name": f"Film {number}"} for number in range(n)]
    users = [{"user_id": f"u{number}", "name": f"User {number}"} for number in range(n_users)]
    plays: list[dict[str, Any]] = [
        {"play_id": f"f{number}", "user_id": f"u{number % n_users}", "item_id": f"f{number}", "played_seconds": number,
         "started_at": f"2026-01-{1 + number % 28:02}T20:00:00Z"}
        for number in range(n)
    ]  # fmt: skip
    return items, users, plays
