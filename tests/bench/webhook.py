"""From a webhook's arrival to a changed answer, over HTTP: of GET /recommendations, and of /api/recommendations as Streamyfin asks.

    python -m tests.bench.webhook [--rounds 100] [--json FILE]

A service of its own, 4,000 films, 200 users, whose tokens a made-up Jellyfin knows. In each round a webhook says that somebody began the
first film of their list, and their list is asked for until it is gone. The floor is the same list, asked for once when nothing has changed.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy import text

from app.commands.bench import scratch_engines
from app.db import Engine
from app.db.connections import put_connection
from app.db.live import create_webhook
from app.db.servers import digest_of, find_server
from app.secrets import new_key
from jobs.bench_data import DIMENSION, plant_world
from jobs.bench_search import summary
from jobs.bench_serve import ADMIN_KEY, start_service, wait_until_ready
from tests.connect.fake_jellyfin.library import FakeUser, generated
from tests.connect.fake_jellyfin.server import FakeJellyfin, serving
from tests.connect.payloads import jellyfin

N_ITEMS, N_USERS, WARM_UP = 4_000, 200, 5
PORT = 8767


@dataclass(frozen=True)
class Asker:
    """How a person's list is asked for; `first` is the first film's id in the answer."""

    name: str
    address: str
    headers: Callable[[str], dict[str, str]]
    first: Callable[[Any], str]

    def ask(self, client: httpx.Client, user: str) -> str:
        answer = client.get(self.address.format(user=user), headers=self.headers(user))
        answer.raise_for_status()
        return self.first(answer.json())


def rounds(client: httpx.Client, secret: str, asker: Asker, users: list[str], n: int) -> tuple[list[float], list[float]]:
    spent, floor = list[float](), list[float]()
    for number in range(n + WARM_UP):
        user = users[number % len(users)]
        first = asker.ask(client, user)
        begun = time.perf_counter()
        asker.ask(client, user)
        floor.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        told = jellyfin("PlaybackStart", user, first, datetime.now(UTC), 0)
        answer = client.post(f"/webhooks/jellyfin/bench/{secret}", json=told)
        assert answer.json() == {"taken": "play"}, answer.text
        while asker.ask(client, user) == first:
            pass
        spent.append(time.perf_counter() - begun)
    return spent[WARM_UP:], floor[WARM_UP:]


def as_of_jellyfin(work: Engine, fake: FakeJellyfin) -> list[str]:
    """Gives the planted films and users ids as a Jellyfin's, connects the server to this one, and returns the users."""
    with work.begin() as connection:
        server = find_server(connection, "bench")
        assert server is not None
        for table in ("entries", "users"):
            connection.execute(text(f"UPDATE {table} SET external_id = md5(external_id) WHERE server_id = :id"), {"id": server.id})
        put_connection(connection, server.id, "jellyfin", fake.url, b"not read here", fake.id)
        sql = "SELECT external_id FROM users WHERE server_id = :id ORDER BY id"
        users = list(connection.execute(text(sql), {"id": server.id}).scalars())
    fake.library.users = {user: FakeUser(user, user) for user in users}
    fake.user_tokens = {token_of(user): user for user in users}
    return users


def token_of(user: str) -> str:
    return f"token-of-{user}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    vectors = random.standard_normal((N_ITEMS, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    histories = [random.choice(N_ITEMS, size=int(length), replace=False) for length in random.integers(5, 400, size=N_USERS)]
    secret = new_key()
    askers = [
        Asker(
            "GET /recommendations", "/recommendations?server_id=bench&user_id={user}",
            lambda _user: {"Authorization": f"Bearer {ADMIN_KEY}"}, lambda body: str(body["items"][0]["item_id"]),
        ),
        Asker(
            "GET /api/recommendations", f"/api/recommendations?jellyfinServerId={'f' * 32}&type=Movie&format=ids",
            lambda user: {"Authorization": f'MediaBrowser Token="{token_of(user)}"'}, lambda body: str(body["data"]["movies"][0]),
        ),
    ]  # fmt: skip
    rows = []
    with scratch_engines() as (_, url, work, _), serving(FakeJellyfin(generated(1, 0, 0, 1, 0))) as fake:
        fake.id = "f" * 32
        plant_world(work, vectors, histories, N_ITEMS)
        users = as_of_jellyfin(work, fake)
        with work.begin() as connection:
            server = find_server(connection, "bench")
            assert server is not None
            create_webhook(connection, server.id, digest_of(secret))
        process, _ = start_service(url, PORT)
        try:
            wait_until_ready(PORT, process)
            with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30, trust_env=False) as client:
                for asker in askers:
                    spent, floor = rounds(client, secret, asker, users, arguments.rounds)
                    rows += [
                        {"name": f"from webhook to changed {asker.name}", **summary(spent)},
                        {"name": f"floor: {asker.name} alone", **summary(floor)},
                    ]
        finally:
            process.terminate()
            process.wait(30)
    for row in rows:
        print(row)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"results": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
