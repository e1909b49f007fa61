"""A queue and those who work on it: in this process until nothing waits, or in processes of their own that can be killed."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from app.db import Engine, jobs
from app.db.queue import ask_for
from app.job_types import Job
from app.settings import Settings
from app.types import Server
from jobs.queue import queue_app

ROOT = Path(__file__).parents[2]


class Queue:
    """The jobs of one database."""

    def __init__(self, engine: Engine, url: str, folder: Path) -> None:
        self.engine, self.url, self.folder = engine, url, folder
        self.settings = Settings(_env_file=None, database_url=SecretStr(url), data_dir=folder)

    def ask(self, name: str, server: Server | None = None, user: str | None = None) -> int:
        with self.engine.begin() as connection:
            return ask_for(connection, name, server, user, datetime.now(UTC))

    def job(self, job_id: int) -> Job:
        with self.engine.begin() as connection:
            return jobs.get_job(connection, job_id)

    def jobs(self) -> list[Job]:
        """The oldest first."""
        with self.engine.begin() as connection:
            return jobs.find_jobs(connection, None, 10_000)[::-1]

    def drain(self) -> None:
        """Do all that waits and is due."""

        async def work() -> None:
            app = queue_app(self.engine, self.settings, self.url)
            async with app.open_async():
                await app.run_worker_async(wait=False, listen_notify=False, install_signal_handlers=False, delete_jobs="always")

        asyncio.run(work())

    def done(self, name: str, server: Server | None = None, user: str | None = None) -> Job:
        """Asked for, done, and how it ended."""
        job_id = self.ask(name, server, user)
        self.drain()
        return self.job(job_id)

    def query(self, sql: str, **values: Any) -> list[Any]:
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL search_path = public, procrastinate"))
            result = connection.execute(text(sql), values)
            return list(result.all()) if result.returns_rows else []

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        environment = os.environ | {"PALATE_DATABASE_URL": self.url, "PALATE_DATA_DIR": str(self.folder)}
        command = [sys.executable, "-m", "app.cli", "worker"]
        # What it writes goes where a test's own output does, and is searched with it.
        process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def forget_workers(self) -> None:
        """As if each had been silent for an hour: those that live say so again within ten seconds."""
        self.query("UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")


def until(has_come: Callable[[], object], timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not has_come():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Of a process, those that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(folder.name))
    return found
