"""An hour of mixed load at half of what the machine can do: service and worker beside it, jobs all the while, and what memory they take.

    python -m tests.bench.mixed_load [--items 4000] [--users 200] [--seconds 3600] [--connections 8] [--json FILE]

Nine in ten ask again, one asks anew, one in a hundred tells a play; a film is added each minute. The jobs of a night come several times.
"""

import argparse
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from sqlalchemy import text

from app.commands.bench import scratch_engines
from app.db.servers import put_server
from jobs.bench_mix import Caller
from jobs.bench_serve import start_service, wait_until_ready
from tests.bench.unchanged_night import plant
from tests.db.household import film
from tests.jobs.working import children

PORT = 8766
SCHEDULE = {
    "learn-collab": "*/20 * * * *", "refresh-tastes": "*/15 * * * *", "prune": "*/10 * * * *", "watch-through": "*/10 * * * *",
    "skew": "*/10 * * * *", "evaluate": "never",
}  # fmt: skip
CAPACITY_SECONDS, SAMPLE_EVERY_SECONDS, PARTS = 30.0, 10.0, 6
ADD_EVERY_SECONDS = 60.0


@dataclass
class Load:
    """What callers saw: (when, how long) by what was asked, in seconds since the start, and what went wrong."""

    spent: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)

    def run(self, callers: list[Caller], seconds: float, per_second: float | None) -> None:
        """As fast as they are answered, or so many a second in all."""
        started = time.perf_counter()

        def call(caller: Caller) -> None:
            n_done = 0
            while (now := time.perf_counter() - started) < seconds:
                if per_second is not None and (ahead := n_done * len(callers) / per_second - now) > 0:
                    time.sleep(min(ahead, seconds - now))
                n_done += 1
                caller.spent.clear()
                try:
                    caller.mixed()
                except (OSError, RuntimeError) as error:
                    self.errors[f"{type(error).__name__}: {error}"[:80]] += 1
                for name, times in caller.spent.items():
                    self.spent[name] += [(now, one) for one in times]

        threads = [threading.Thread(target=call, args=(caller,)) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def n_answered(self) -> int:
        return sum(map(len, self.spent.values()))


@dataclass
class Watch:
    """Samples the memory of processes, in MB: resident, not shared with others; of the worker's children the sum."""

    pids: dict[str, int]
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def until(self, stopping: threading.Event) -> None:
        started = time.perf_counter()
        while not stopping.wait(SAMPLE_EVERY_SECONDS):
            now = time.perf_counter() - started
            for name, pid in self.pids.items():
                self.samples[name].append((now, own_memory(pid)))
            self.samples["worker's jobs"].append((now, sum(own_memory(pid) for pid in children(self.pids["worker"]))))


def own_memory(pid: int) -> float:
    """MB that this process alone holds (USS); 0: it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))) / 1024


def parts(samples: list[tuple[float, float]], seconds: float, share: float) -> list[float]:
    """This quantile of each of the parts of the time."""
    edges = np.linspace(0, seconds, PARTS + 1)
    times, values = np.array(samples).T
    cut = [values[(times >= first) & (times < last)] for first, last in itertools.pairwise(edges)]
    return [round(float(np.quantile(one, share)), 2) for one in cut if len(one)]


def add_films(caller: Caller, stopping: threading.Event) -> None:
    for number in range(10**6):
        if stopping.wait(ADD_EVERY_SECONDS):
            return
        # Left alone so long, the service closed it.
        caller.connection.close()
        caller.tell("items", film(f"new{number}", overview=f"A story told {number} times."))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    with scratch_engines() as (_, url, work, _):
        server = plant(work, arguments.items, arguments.users, np.random.default_rng(0))
        with work.begin() as connection:
            put_server(connection, server.external_id, server.name, "api", {"time_zone": "UTC", "schedule": SCHEDULE})
        service, environment = start_service(url, PORT)
        log = (folder / "worker.log").open("w")
        worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment, stdout=log, stderr=log)
        stopping = threading.Event()
        try:
            wait_until_ready(PORT, service)
            users, items = [f"u{n}" for n in range(arguments.users)], [f"f{n}" for n in range(arguments.items)]
            callers = [Caller(PORT, users, items, Random(n), server.external_id) for n in range(arguments.connections + 1)]
            most = Load()
            most.run(callers[1:], CAPACITY_SECONDS, None)
            per_second = most.n_answered() / CAPACITY_SECONDS / 2
            watch = Watch({"service": service.pid, "worker": worker.pid})
            aside = [
                threading.Thread(target=watch.until, args=(stopping,)),
                threading.Thread(target=add_films, args=(callers[0], stopping)),
            ]
            for thread in aside:
                thread.start()
            load = Load()
            load.run(callers[1:], arguments.seconds, per_second)
            stopping.set()
            for thread in aside:
                thread.join()
            with work.begin() as connection:
                sql = "SELECT name, status::text, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2"
                jobs = [tuple(row) for row in connection.execute(text(sql))]
        finally:
            stopping.set()
            for process in (service, worker):
                process.send_signal(signal.SIGTERM)
                process.wait(20)
    return {
        "per_second_at_most": round(2 * per_second, 1), "per_second": round(load.n_answered() / arguments.seconds, 1),
        "n_answered": load.n_answered(), "errors": dict(load.errors), "jobs": jobs,
        "memory_mb": {name: parts(samples, arguments.seconds, 0.5) for name, samples in watch.samples.items()},
        "most_memory_mb": {name: round(max(value for _, value in samples), 1) for name, samples in watch.samples.items()},
        "seconds": {
            name: {"n": len(samples), "p50": parts(samples, arguments.seconds, 0.5), "p99": parts(samples, arguments.seconds, 0.99)}
            for name, samples in load.spent.items()
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=4_000)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3_600)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    with tempfile.TemporaryDirectory() as folder:
        found = {"started": started} | vars(arguments) | measure(arguments, Path(folder))
    written = json.dumps(found, indent=1, default=str)
    print(written)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
