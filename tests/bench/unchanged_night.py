"""What a night costs where nothing has changed: every job of the schedule, run by a worker, over a library that is embedded already.

    python -m tests.bench.unchanged_night [--items 37000] [--users 200] [--json FILE]

Made-up films, sent through ingest; their vectors are made up too, but stand where the model's would, with the digest of each film's text.
"""

import argparse
import json
import signal
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

from app.commands.bench import scratch_engines
from app.cron import USUAL
from app.db import Engine, servers, spaces
from app.learn.text_encoder import locate_model
from app.learn.text_template import VERSION
from app.types import Server
from jobs.schedule import start_due
from tests.conftest import MODEL
from tests.db.household import House, film, play, user
from tests.jobs.working import Queue, until

DIMENSION, AT_ONCE = 384, 5_000
# Learning from what was learned from already is one look at a card, which there is none of here; an evaluation is no part of a night.
LEFT_OUT = ("learn-collab", "evaluate")


def plant(engine: Engine, n_items: int, n_users: int, random: np.random.Generator) -> Server:
    with engine.begin() as connection:
        server, _ = servers.put_server(connection, "home", "Home", "api", {"time_zone": "UTC"})
        connection.execute(text("UPDATE servers SET created_at = now() - interval '30 days'"))
    house = House(engine, server.id)
    films = [film(f"f{number}", overview=f"The story of number {number}.", year=1950 + number % 70) for number in range(n_items)]
    for start in range(0, n_items, AT_ONCE):
        house.tell("items", films[start : start + AT_ONCE])
        with engine.begin() as connection:
            connection.execute(text("ANALYZE"))
    house.tell("users", [user(f"u{number}") for number in range(n_users)])
    watched = [play(f"u{n}", f"f{one}", percent=100) for n in range(n_users) for one in random.choice(n_items, 50, replace=False)]
    house.tell("plays", watched)
    with engine.begin() as connection:
        embed(connection, server, n_items, random)
    return server


def embed(connection: Any, server: Server, n_items: int, random: np.random.Generator) -> None:
    files = locate_model(MODEL)
    space = spaces.create_space(connection, server.id, "text", files.name, files.digest, VERSION, DIMENSION, n_items)
    spaces.set_centre(connection, space, np.zeros(DIMENSION, np.float32), "items")
    rows = connection.execute(text("SELECT id, text_digest FROM items WHERE server_id = :id ORDER BY id"), {"id": server.id}).all()
    vectors = random.standard_normal((len(rows), DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids, digests = np.array([row.id for row in rows]), spaces.as_digests([bytes(row.text_digest) for row in rows])
    spaces.write_vectors(connection, space, ids, vectors, np.ones(len(rows), np.float32), digests)
    # Without its index, which no job of such a night reads.
    spaces.go_live(connection, space, datetime.now(UTC))


def night(queue: Queue, names: Mapping[Any, str], number: int) -> list[dict[str, Any]]:
    """All of it at once, as after a night that was missed."""
    before = {job.id for job in queue.jobs()}
    queue.query("UPDATE jobs SET tick = tick - interval '2 days'")
    start_due(queue.engine, dict.fromkeys(USUAL, "never") | dict.fromkeys(names, "0 3 * * *"), datetime.now(UTC))
    with queue.worker() as worker:
        until(lambda: all(job.is_over for job in queue.jobs()), 1800)
        worker.send_signal(signal.SIGTERM)
        worker.wait(10)
    rows = []
    for job in queue.jobs():
        if job.id not in before and job.started_at and job.finished_at:
            seconds = round((job.finished_at - job.started_at).total_seconds(), 2)
            rows.append({"night": number, "name": job.name, "status": job.status, "seconds": seconds, **job.counters})
            print(rows[-1], flush=True)  # noqa: T201
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=37_000)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    names = {name: USUAL[name] for name in USUAL if name not in LEFT_OUT}
    with scratch_engines() as (_, url, work, _), tempfile.TemporaryDirectory() as folder:
        plant(work, arguments.items, arguments.users, np.random.default_rng(0))
        queue = Queue(work, url, Path(folder))
        # The first night gives everybody a taste; the second finds nothing to do.
        rows = [row for number in (1, 2) for row in night(queue, names, number)]
    if arguments.json:
        arguments.json.write_text(json.dumps({"n_items": arguments.items, "results": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
