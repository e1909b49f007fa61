"""The queue is Procrastinate's. A job's own row and the queue's are written in one transaction: neither is ever without the other."""

import functools
from datetime import datetime, timedelta
from typing import Any

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from app.db.connections import is_connected
from app.db.servers import find_user_id
from app.db.statements import statement
from app.errors import JobOver, NotConnected, NotForOneUser, NotReady, UnknownJobName, UnknownUser
from app.job_types import JOB_NAMES, OF_CONNECTED, Job, JobName
from app.types import Server

# What takes much memory has a process of its own, one at a time on a machine; the rest does not wait for it.
HEAVY: frozenset[JobName] = frozenset({"embed-items", "learn-collab", "learn-two-tower", "train-ranker", "evaluate", "publish"})
HEAVY_QUEUE, LIGHT_QUEUE = "heavy", "light"
AT_ONCE = timedelta()


def ask_for(connection: Connection, name: str, server: Server | None, user: str | None, now: datetime) -> int:
    """Somebody wants this done, for one server or all. Returns the job's id; where the same waits already, that one's.

    Raises UnknownJobName, UnknownUser, NotConnected and NotForOneUser.
    """
    known = next((one for one in JOB_NAMES if one == name), None)
    if known is None:
        raise UnknownJobName(f"No job has this name. There are: {', '.join(JOB_NAMES)}.")
    if known in OF_CONNECTED and not is_connected(connection, server):
        raise NotConnected
    if user is None:
        return queued_or_enqueued(connection, known, None if server is None else server.id, None, now)
    if server is None or known != "refresh-tastes":
        raise NotForOneUser
    user_id = find_user_id(connection, server.id, user)
    if user_id is None:
        raise UnknownUser
    return queued_or_enqueued(connection, known, server.id, user_id, now)


def queued_or_enqueued(
    connection: Connection, name: JobName, server_id: int | None, user_id: int | None, now: datetime, after: timedelta = AT_ONCE
) -> int:
    """The id of the one that waits, else of a new one, which waits for so long at least."""
    connection.execute(statement("jobs", "hold_name"), {"name": f"{name} {server_id}"})
    found = find_queued(connection, name, server_id, user_id)
    if found is None:
        found = enqueue(connection, name, server_id, user_id, None, now, after)
    assert found is not None
    return found


def follow(connection: Connection, name: JobName, leader: Job, now: datetime) -> None:
    """Another job for the same server and moment, unless one waits already: by the clock as its leader was, and nobody's wish."""
    connection.execute(statement("jobs", "hold_name"), {"name": f"{name} {leader.server_id}"})
    if find_queued(connection, name, leader.server_id, None) is None:
        enqueue(connection, name, leader.server_id, None, leader.tick, now)


def find_queued(connection: Connection, name: JobName, server_id: int | None, user_id: int | None) -> int | None:
    """The id of the one that waits."""
    values = {"name": name, "server_id": server_id, "user_id": user_id}
    found = connection.execute(statement("jobs", "find_queued"), values).scalar_one_or_none()
    return None if found is None else int(found)


def enqueue(
    connection: Connection, name: JobName, server_id: int | None, user_id: int | None, tick: datetime | None, now: datetime,
    after: timedelta = AT_ONCE,
) -> int | None:  # fmt: skip
    """The new job's id; None where there is one for this tick already."""
    values = {"name": name, "server_id": server_id, "user_id": user_id, "tick": tick, "now": now}
    job_id = connection.execute(statement("jobs", "create_job"), values).scalar_one_or_none()
    if job_id is None:
        return None
    _defer(connection, int(job_id), name, server_id, after)
    return int(job_id)


def _defer(connection: Connection, job_id: int, name: JobName, server_id: int | None, after: timedelta = AT_ONCE) -> None:
    connection.execute(statement("jobs", "find_queue"))
    task = _deferring().configure_task(
        name,
        queue=HEAVY_QUEUE if name in HEAVY else LIGHT_QUEUE,
        lock=f"{name} {'all' if server_id is None else server_id}",
        connection=_driver(connection),
        schedule_in={"seconds": int(after.total_seconds())} if after else None,
    )
    try:
        queue_id = task.defer(job_id=job_id)
    except ConnectorException:
        raise NotReady from None
    connection.execute(statement("jobs", "set_queue_id"), {"id": job_id, "queue_id": queue_id})


def hand_back(connection: Connection, silent_for: timedelta, most: int, longest_wait: timedelta) -> list[int]:
    """Jobs whose worker has been silent for so long wait again; those that lost `most` workers have failed. Returns the ids of the
    first. `longest_wait`: the longest that any job is ever asked to wait."""
    connection.execute(statement("jobs", "find_queue"))
    connection.execute(statement("jobs", "mend_heartbeats"))
    connection.execute(statement("jobs", "mend_waits"), {"longest_wait": longest_wait})
    waiting = []
    for job_id in connection.execute(statement("jobs", "forget_stalled"), {"silent_for": silent_for}).scalars().all():
        row = connection.execute(statement("jobs", "hand_back"), {"id": job_id, "most": most}).one_or_none()
        if row is not None and row.status == "queued":
            _defer(connection, job_id, row.name, row.server_id)
            waiting.append(int(job_id))
    connection.execute(statement("jobs", "close_lost"))
    return waiting


def cancel(connection: Connection, job: Job, now: datetime) -> None:
    """At once where it waits; a running one is told within a second or two. Raises JobOver."""
    found = connection.execute(statement("jobs", "cancel_job"), {"id": job.id, "now": now}).one_or_none()
    if found is None:
        raise JobOver
    connection.execute(statement("jobs", "find_queue"))
    try:
        _deferring().job_manager.cancel_job_by_id(found.queue_id, delete_job=True, connection=_driver(connection))
    except ConnectorException:
        raise NotReady from None


@functools.cache
def _deferring() -> App:
    """Writes on connections that it is given; has none of its own."""
    return App(connector=SyncPsycopgConnector())


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def queue_connector(url: str) -> PsycopgConnector:
    """For a worker: its own few connections, which see the queue's tables first."""
    target = make_url(url).set(drivername="postgresql")
    options = " ".join([str(target.query.get("options", "")), "-c search_path=procrastinate,public"]).strip()
    conninfo = target.difference_update_query(["options"]).render_as_string(hide_password=False)
    kwargs = {"options": options, "application_name": "palate queue", "connect_timeout": 10}
    return PsycopgConnector(conninfo=conninfo, kwargs=kwargs, min_size=1, max_size=4)
