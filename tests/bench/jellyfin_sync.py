"""How long syncs of a made-up Jellyfin take: the first, one with nothing changed, one with 1% changed, and a night's.

    python -m tests.bench.jellyfin_sync [--scale 0.1] [--json FILE]

At scale 1: 20,000 films, 1,500 series of 40 episodes, 40 users, 1,000,000 plays (by their count; each user began or watched 15,000 films
and episodes). The made-up server answers as fast as it can, from a process of its own; a real one answers about 200 items a second. Each
sync is a process too: its peak of resident memory is what it took at most.
"""

import argparse
import json
import multiprocessing
import random
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from app.commands.bench import scratch_engines
from app.db.connections import put_connection
from app.db.engine import working_engine
from app.db.servers import get_server, put_server
from app.secrets import encrypted
from app.types import unseen
from jobs.sync_library import sync_library
from tests.connect.fake_jellyfin.library import FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin, serving

SECRET, ID = "secret of the bench", "f" * 32
PLAYS_EACH = 25_000
CHANGED = 0.01


def serve(pipe: Pipe, scale: float) -> None:
    """Changes a hundredth whenever it is told to."""
    library = generated(int(20_000 * scale), int(1_500 * scale), 40, max(int(40 * min(scale * 4, 1)), 3), int(15_000 * scale))
    for user in library.users.values():
        for state in user.states.values():
            state.n_plays = max(round(PLAYS_EACH / 15_000), 1) if state.is_played else state.n_plays
    with serving(FakeJellyfin(library)) as fake:
        fake.id, fake._description = ID, None
        pipe.send((fake.url, size_of(library)))
        while pipe.recv() == "change":
            change(library, random.Random(1))
            pipe.send(None)


def size_of(library: FakeLibrary) -> dict[str, int]:
    kinds = [item.type for item in library.items.values()]
    states = [state for user in library.users.values() for state in user.states.values()]
    counts = {
        "films": kinds.count("Movie"),
        "series": kinds.count("Series"),
        "episodes": kinds.count("Episode"),
        "users": len(library.users),
    }
    return counts | {"began": len(states), "plays": sum(state.n_plays for state in states)}


def change(library: FakeLibrary, chance: random.Random) -> None:
    """Items told anew, and as large a part of everybody's films and episodes watched."""
    now = datetime.now(UTC) + timedelta(seconds=1)
    for key in chance.sample(list(library.items), int(CHANGED * len(library.items))):
        library.change(key, now, overview=f"Told anew {now}.")
    watchable = [item.id for item in library.items.values() if item.type in ("Movie", "Episode")]
    for user in library.users.values():
        for key in chance.sample(watchable, int(CHANGED * len(user.states))):
            if key not in user.hidden:
                library.watch(user.id, key, now)


def sync_once(pipe: Pipe, url: str, server_id: int, at: datetime) -> None:
    engine = working_engine(url)
    with engine.begin() as connection:
        server = get_server(connection, server_id)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    done = sync_library(engine, server, SECRET, at, unseen)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send({
        "seconds": round(seconds, 1), "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "requests": done.n_requests, "peak_mb": after.ru_maxrss // 1024, "peak_mb_at_start": before.ru_maxrss // 1024,
        "items": done.items.n_changed, "plays": done.plays.n_changed, "signals": done.signals.n_changed, "deleted": done.n_deleted,
    })  # fmt: skip
    engine.dispose()


def in_a_process(function: Any, *arguments: Any) -> tuple[Any, Pipe]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=function, args=(theirs, *arguments), daemon=True)
    process.start()
    return process, ours


def measure(url: str, scale: float) -> dict[str, Any]:
    _, jellyfin = in_a_process(serve, scale)
    address, size = jellyfin.recv()
    engine = working_engine(url)
    with engine.begin() as connection:
        server, _ = put_server(connection, "bench", "Bench", "jellyfin", {})
        put_connection(connection, server.id, "jellyfin", address, encrypted(KEY, SECRET), ID)
    engine.dispose()
    now = datetime.now(UTC)
    results = []
    for name, hours in (("first", 0), ("nothing changed", 1), ("1% changed", 2), ("by night", 24)):
        if name == "1% changed":
            jellyfin.send("change")
            jellyfin.recv()
        process, done = in_a_process(sync_once, url, server.id, now + timedelta(hours=hours))
        results.append({"name": name} | done.recv())
        process.join()
        sys.stdout.write(f"{results[-1]}\n")
    jellyfin.send("end")
    return {"size": size, "results": results}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with scratch_engines() as (_, url, _, _):
        found = measure(url, arguments.scale)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
