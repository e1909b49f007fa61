"""palate jobs list | run | show | cancel"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import chosen_servers, command_engine, shown_progress, write_json
from app.db import Engine, jobs
from app.db.queue import ask_for, cancel
from app.errors import PalateError
from app.job_types import JOB_NAMES, Job, JobName, JobStatus
from app.types import Progress

app = typer.Typer(help="Jobs: start, follow, cancel. `palate worker` runs them.", no_args_is_help=True)

JobId = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The id that `palate jobs list` shows.")]
ServerOption = Annotated[str | None, typer.Option(help="Only this server.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")]

LOOK_EVERY_SECONDS = 0.3
# Nothing that runs leaves a job waiting for so long, but for others before it.
TELL_AFTER_SECONDS = 10.0


@app.command("list")
def list_(
    server: ServerOption = None,
    name: Annotated[JobName | None, typer.Option(help="Only of this name.")] = None,
    status: Annotated[JobStatus | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 30,
    json: JsonFile = None,
) -> None:
    """Show jobs, the newest first.

    Example: palate jobs list --server home --status failed
    """
    with command_engine() as (_, engine):
        only = None if server is None else chosen_servers(engine, server)[0].id
        with engine.begin() as connection:
            found = jobs.find_jobs(connection, only, limit, name, status)
    table = Table("id", "name", "server", "status", "done", "queued", "seconds", "what it did")
    for job in found:
        table.add_row(*_cells(job))
    Console().print(table)
    write_json(json, {"jobs": [job.as_json() for job in found]})


@app.command()
def show(job_id: JobId, json: JsonFile = None) -> None:
    """Show all that is known of a job.

    Example: palate jobs show 12
    """
    with command_engine() as (_, engine), engine.begin() as connection:
        job = jobs.get_job(connection, job_id)
    for field, value in job.as_json().items():
        print(f"{field.replace('_', ' ')}: {'-' if value is None else value}")
    write_json(json, job.as_json())


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(JOB_NAMES)}.")],
    server: ServerOption = None,
    user: Annotated[str | None, typer.Option(help="With refresh-tastes and --server: only this user's.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Print its id and leave it to the worker.")] = False,
    json: JsonFile = None,
) -> None:
    """Start a job, and wait until a worker has done it.

    Example: palate jobs run refresh-tastes --server home
    """
    with command_engine() as (_, engine):
        chosen = None if server is None else chosen_servers(engine, server)[0]
        with engine.begin() as connection:
            job_id = ask_for(connection, name, chosen, user, datetime.now(UTC))
        print(f"Job {job_id}: {name}")
        if not no_wait:
            with shown_progress(name) as progress:
                _wait(engine, job_id, progress)
        with engine.begin() as connection:
            job = jobs.get_job(connection, job_id)
    write_json(json, job.as_json())
    if job.is_over:
        print(f"Job {job.id} {job.status}{_told(job)}")
    if job.status == "failed":
        raise PalateError(f"{name} failed: {job.error}")


@app.command("cancel")
def cancel_(job_id: JobId) -> None:
    """Cancel a job that waits, at once, or one that runs, within a second or two.

    Example: palate jobs cancel 12
    """
    with command_engine() as (_, engine), engine.begin() as connection:
        cancel(connection, jobs.get_job(connection, job_id), datetime.now(UTC))
        job = jobs.get_job(connection, job_id)
    print(f"Job {job.id} is cancelled." if job.is_over else f"Job {job.id} is told to stop.")


def _wait(engine: Engine, job_id: int, progress: Progress) -> None:
    started, is_told = time.monotonic(), False
    while True:
        with engine.begin() as connection:
            job = jobs.get_job(connection, job_id)
        if job.total:
            progress(job.done, job.total)
        if job.is_over:
            return
        if job.status == "queued" and not is_told and time.monotonic() - started > TELL_AFTER_SECONDS:
            is_told = True
            print("It still waits. Is a worker running (palate up, palate worker)? Ctrl-C leaves it in the queue.")
        time.sleep(LOOK_EVERY_SECONDS)


def _cells(job: Job) -> list[str]:
    seconds = "" if job.started_at is None else f"{((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds():.1f}"
    progress = f"{job.done:,} of {job.total:,}" if job.total else ""
    return [str(job.id), job.name, job.server or "all", job.status, progress, f"{job.queued_at:%Y-%m-%d %H:%M}", seconds, _told(job)[2:]]


def _told(job: Job) -> str:
    if job.error is not None:
        return f": {job.error}"
    return ": " + ", ".join(f"{name} {value:,}" for name, value in job.counters.items()) if job.counters else ""
