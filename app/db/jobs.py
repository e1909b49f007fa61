"""Jobs as people see them: what was asked for, how far it is, what it did."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.db.statements import statement
from app.errors import UnknownJob
from app.job_types import Job, JobName, JobStatus


@dataclass(frozen=True)
class Tick:
    """The last moment at which a job of a server was started by its schedule; None: not yet, or long ago."""

    server_id: int
    name: JobName
    created_at: datetime
    tick: datetime | None


@dataclass(frozen=True)
class Outcome:
    name: JobName
    status: JobStatus
    n_jobs: int
    seconds: float | None


def find_jobs(
    connection: Connection, only: int | None, limit: int, name: JobName | None = None, status: JobStatus | None = None
) -> list[Job]:  # fmt: skip
    """The newest first; `only` those of this server."""
    return _jobs(connection, {"id": None, "only": only, "name": name, "status": status, "limit": limit})


def get_job(connection: Connection, job_id: int, only: int | None = None) -> Job:
    """Raises UnknownJob, also where it is not of the server that is meant."""
    found = _jobs(connection, {"id": job_id, "only": only, "name": None, "status": None, "limit": 1})
    if not found:
        raise UnknownJob
    return found[0]


def _jobs(connection: Connection, values: dict[str, Any]) -> list[Job]:
    return [Job(**row._mapping) for row in connection.execute(statement("jobs", "find_jobs"), values)]


def start_job(connection: Connection, job_id: int, now: datetime) -> Job | None:
    """None where there is nothing to do: it is over, was cancelled, or went with its server."""
    status = connection.execute(statement("jobs", "start_job"), {"id": job_id, "now": now}).scalar_one_or_none()
    return get_job(connection, job_id) if status == "running" else None


def tell_progress(connection: Connection, job: Job, done: int, total: int) -> bool | None:
    """Whether the job is to be cancelled; None: it is another worker's now."""
    values = {"id": job.id, "attempt": job.attempt, "done": done, "total": total}
    is_cancelling: bool | None = connection.execute(statement("jobs", "tell_progress"), values).scalar_one_or_none()
    return is_cancelling


def finish_job(
    connection: Connection, job: Job, status: JobStatus, now: datetime, *, counters: dict[str, float] | None = None,
    error: str | None = None,
) -> bool:  # fmt: skip
    """Whether it was still this attempt's to finish."""
    values = {
        "id": job.id, "attempt": job.attempt, "status": status, "now": now, "counters": json.dumps(counters or {}), "error": error,
    }  # fmt: skip
    return connection.execute(statement("jobs", "finish_job"), values).rowcount == 1


def put_back(connection: Connection, job: Job, error: str | None, now: datetime) -> None:
    """It waits again, unless it was to be cancelled. `error`: how it failed; None: it was only stopped."""
    connection.execute(statement("jobs", "put_back"), {"id": job.id, "attempt": job.attempt, "error": error, "now": now})


def is_open_or_vain(connection: Connection, name: JobName, server_id: int, since: datetime) -> bool:
    """Whether such a job waits or runs, or since then failed, was cancelled, or ended without anything to do."""
    values = {"name": name, "server_id": server_id, "since": since}
    return bool(connection.execute(statement("jobs", "is_open_or_vain"), values).scalar_one())


def last_ticks(connection: Connection, names: Sequence[JobName], now: datetime) -> list[Tick]:
    rows = connection.execute(statement("jobs", "last_ticks"), {"names": list(names), "now": now})
    return [Tick(**row._mapping) for row in rows]


def prune_jobs(connection: Connection, server_id: int, before: datetime) -> int:
    return connection.execute(statement("jobs", "prune_jobs"), {"server_id": server_id, "before": before}).rowcount


def outcomes(connection: Connection, since: datetime) -> list[Outcome]:
    """Of jobs that ended since then, over all servers; `seconds`: their mean."""
    rows = connection.execute(statement("jobs", "outcomes"), {"since": since})
    return [Outcome(row.name, row.status, row.n_jobs, None if row.seconds is None else float(row.seconds)) for row in rows]


def queue_figures(connection: Connection, now: datetime) -> tuple[int, float]:
    """How many jobs wait, and for how many seconds the oldest has."""
    row = connection.execute(statement("jobs", "queue_figures"), {"now": now}).one()
    return row.n_queued, float(row.oldest_seconds)
