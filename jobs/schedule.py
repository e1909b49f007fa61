"""What the clock starts: each job of each server once for each moment of its schedule, however many workers look.

APScheduler reads the expressions; when to start follows from the rows, at each look. Its own loop would sleep for a day where the clock is
set back by one, and keeps nothing over a night in which the machine was off.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from app.cron import expression_of, last_tick
from app.db import Connection, Engine
from app.db.connections import connected_servers
from app.db.jobs import Tick, last_ticks
from app.db.queue import enqueue, find_queued
from app.db.servers import list_servers
from app.job_types import JOB_NAMES, OF_CONNECTED, JobName
from app.types import Server

log = structlog.get_logger()

# Later than this it was missed, and is made up for only where the job's last start is so long ago: learning takes what the machine has.
ON_TIME, MADE_UP_FOR_AFTER = timedelta(hours=1), timedelta(hours=30)
# How far it looks back.
LOOK_BACK = timedelta(days=2)


def start_due(engine: Engine, schedule: Mapping[JobName, str], now: datetime) -> int:
    """`schedule`: where it differs from USUAL on every server. Returns how many jobs were started."""
    with engine.begin() as connection:
        servers = {server.id: server for server in list_servers(connection)}
        ticks, connected = last_ticks(connection, JOB_NAMES, now), connected_servers(connection)
    n_started = 0
    for tick in ticks:
        server = servers.get(tick.server_id)
        if server is None or (tick.name in OF_CONNECTED and server.external_id not in connected):
            continue
        due = due_tick(tick, expression_of(server.settings, tick.name, schedule), time_zone_of(server), now)
        if due is not None:
            with engine.begin() as connection:
                n_started += _start(connection, tick.name, server, due, now)
    return n_started


def _start(connection: Connection, name: JobName, server: Server, due: datetime, now: datetime) -> bool:
    """Of what comes often one that waits is enough: more would pile up behind a sync that takes long."""
    if name == "sync-library" and find_queued(connection, name, server.id, None) is not None:
        return False
    return enqueue(connection, name, server.id, None, due, now) is not None


def time_zone_of(server: Server) -> str | None:
    """None: the machine's own, or its TZ."""
    return server.settings.get("time_zone")


def due_tick(last: Tick, expression: str, time_zone: str | None, now: datetime) -> datetime | None:
    """The moment that this job is to be started for by now: the latest there was, if it is on time or many were missed."""
    before = last.tick or last.created_at
    try:
        tick = last_tick(expression, time_zone, max(before, now - LOOK_BACK), now)
    except (ValueError, LookupError) as error:
        # Stored by another version.
        log.error("schedule not understood", job=last.name, expression=expression, time_zone=time_zone, error=type(error).__name__)
        return None
    if tick is None or (now - tick > ON_TIME and now - before < MADE_UP_FOR_AFTER):
        return None
    return tick
