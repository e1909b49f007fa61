"""From a webhook's arrival to a changed answer, over HTTP.

    python -m tests.bench.webhook [--rounds 100] [--json FILE]

A service of its own, 4,000 films, 200 users. In each round a webhook says that somebody began the first film of their list,
and their list is asked for until it is gone. The floor is the same list, asked for once when nothing has changed.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from app.commands.bench import scratch_engines
from app.db.live import create_webhook
from app.db.servers import digest_of, find_server
from app.secrets import new_key
from jobs.bench_data import DIMENSION, plant_world
from jobs.bench_search import summary
from jobs.bench_serve import ADMIN_KEY, start_service, wait_until_ready
from tests.connect.payloads import emby

N_ITEMS, N_USERS, WARM_UP = 4_000, 200, 5
PORT = 8767


def first_of(client: httpx.Client, user: str) -> str:
    answer = client.get("/recommendations", params={"server_id": "bench", "user_id": user})
    answer.raise_for_status()
    return str(answer.json()["items"][0]["item_id"])


def rounds(client: httpx.Client, secret: str, n: int) -> tuple[list[float], list[float]]:
    spent, floor = list[float](), list[float]()
    for number in range(n + WARM_UP):
        user = f"user {number % N_USERS}"
        first = first_of(client, user)
        begun = time.perf_counter()
        first_of(client, user)
        floor.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        # Emby's, as the ids of the planted world are no ids of a Jellyfin.
        told = emby("playback.start", user, first, datetime.now(UTC), 0)
        answer = client.post(f"/webhooks/emby/bench/{secret}", json=told, headers={"Authorization": ""})
        assert answer.json() == {"taken": "play"}, answer.text
        while first_of(client, user) == first:
            pass
        spent.append(time.perf_counter() - begun)
    return spent[WARM_UP:], floor[WARM_UP:]


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
    with scratch_engines() as (_, url, work, _):
        plant_world(work, vectors, histories, N_ITEMS)
        with work.begin() as connection:
            server = find_server(connection, "bench")
            assert server is not None
            create_webhook(connection, server.id, digest_of(secret))
        process, _ = start_service(url, PORT)
        try:
            wait_until_ready(PORT, process)
            key = {"Authorization": f"Bearer {ADMIN_KEY}"}
            with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", headers=key, timeout=30, trust_env=False) as client:
                spent, floor = rounds(client, secret, arguments.rounds)
        finally:
            process.terminate()
            process.wait(30)
    rows = [{"name": "from webhook to changed answer", **summary(spent)}, {"name": "the answer alone", **summary(floor)}]
    for row in rows:
        print(row)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"results": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
