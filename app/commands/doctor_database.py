"""What palate doctor looks at inside the database."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db import Connection, Engine, SQLAlchemyError, doctor, models
from app.db.jobs import queue_figures
from app.db.servers import get_server, list_servers
from app.db.spaces import index_statement
from app.learn.second_stage import read_second_stage
from app.settings import Settings
from app.types import Fault
from migrations.migrate import current_revision, newest_revision

Clock = Callable[[], datetime]

# Less than this, or than a fifth of the database, and the next space that is built beside a live one may not fit.
LEAST_FREE_BYTES, LEAST_FREE_SHARE = 1 << 30, 0.2
# Keys expire, tastes fall due and sittings are joined by the clock.
MAX_CLOCK_SECONDS = 5.0
# The worker refreshes within seconds: that some wait is nothing, that many do is.
MAX_STALE_SHARE = 0.05
# Learning may keep others waiting for an hour or two.
MAX_WAIT = timedelta(hours=6)
# A library of a hundred thousand titles has its vectors by then.
MAX_WITHOUT_SPACE = timedelta(days=1)
# A process of `palate worker` has two queues. It looks every few seconds, and says so while it is at it.
WORKERS_OF_A_PROCESS, MAX_LOOK_SECONDS = 2, 900
FAULTS: dict[Fault, str] = {
    "text_space_incomplete": "the live text space has lost more than a tenth of its vectors",
    "text_space_empty": "the live text space has lost its vectors, and what is popular is answered",
    "previous_text_space": "the text space has lost vectors, and the one before it is answered from",
}
MEND = "palate doctor --mend"


@dataclass(frozen=True)
class Finding:
    """`remedy`: what to run or change; None where nothing is wrong. `statement`: what --mend runs, where that is it."""

    check: str
    detail: str
    remedy: str | None = None
    statement: str | None = None


@dataclass(frozen=True)
class Look:
    connection: Connection
    settings: Settings
    now: Clock


def examine_database(engine: Engine, settings: Settings, now: Clock, only: str | None = None) -> Iterator[Finding]:
    """All there is to look at, or one thing by its name."""
    try:
        revision = current_revision(engine)
        if revision != newest_revision():
            yield Finding("schema", f"the database is at {revision}, this version needs {newest_revision()}", "palate migrate")
            return
        yield Finding("schema", f"at {revision}")
        with engine.begin() as connection:
            for name, check in CHECKS.items():
                if only in (None, name):
                    yield from check(Look(connection, settings, now))
    except SQLAlchemyError as error:
        yield Finding("database", f"could not be looked at: {type(error).__name__}", "Its own log says why. Run palate doctor again.")


def mendable(connection: Connection) -> Iterator[str]:
    """What --mend runs."""
    for one in (*_bad_indexes(connection), *_bloated(connection)):
        if one.statement is not None:
            yield one.statement


def _clock(look: Look) -> Iterator[Finding]:
    before = look.now()
    theirs = doctor.clock(look.connection)
    apart = abs((theirs - (before + (look.now() - before) / 2)).total_seconds())
    said = f"{apart:.1f} s from the database's"
    yield Finding("clock", said, "timedatectl set-ntp true, here and where the database runs" if apart > MAX_CLOCK_SECONDS else None)


def _disk(look: Look) -> Iterator[Finding]:
    yield disk(look.settings, doctor.size_bytes(look.connection))


def disk(settings: Settings, database_bytes: int) -> Finding:
    """Free space is known of this machine alone: where the database is elsewhere, of the data folder."""
    folder = settings.data_dir.resolve()
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    wanted = max(LEAST_FREE_BYTES, LEAST_FREE_SHARE * database_bytes if settings.database_url is None else 0)
    said = f"{free / 1e9:.1f} GB free for {settings.data_dir}; the database has {database_bytes / 1e9:.2f} GB"
    return Finding("disk", said, f"Free {wanted / 1e9:.1f} GB there, or move PALATE_DATA_DIR." if free < wanted else None)


def _indexes(look: Look) -> Iterator[Finding]:
    found = list(_bad_indexes(look.connection))
    yield from found or [Finding("indexes", "all valid")]


def _bad_indexes(connection: Connection) -> Iterator[Finding]:
    for name in doctor.invalid_indexes(connection):
        sql = f"REINDEX INDEX CONCURRENTLY {name}"
        yield Finding("indexes", f"{name} is not valid, so no search uses it ({sql})", MEND, sql)
    for space in doctor.unindexed_spaces(connection):
        server = get_server(connection, space.server_id).external_id
        sql = index_statement(space).replace("INDEX", "INDEX CONCURRENTLY", 1)
        said = f"the live {space.kind} space of {server} has no vector index, so each search reads all of it ({sql})"
        yield Finding("indexes", said, MEND, sql)


def _bloat(look: Look) -> Iterator[Finding]:
    found = list(_bloated(look.connection))
    yield from found or [Finding("bloat", "no table has many dead rows")]


def _bloated(connection: Connection) -> Iterator[Finding]:
    for table in doctor.bloated_tables(connection):
        when = f"last vacuumed {table.vacuumed_at:%Y-%m-%d %H:%M}" if table.vacuumed_at else "never vacuumed"
        sql = f"VACUUM (ANALYZE) {table.name}"
        said = f"{table.name}: {table.n_dead:,} dead rows beside {table.n_live:,}, {when} ({sql})"
        yield Finding("bloat", said, MEND, sql)


def _spaces(look: Look) -> Iterator[Finding]:
    without = doctor.without_text_space(look.connection, look.now() - MAX_WITHOUT_SPACE)
    damaged = doctor.damaged_spaces(look.connection)
    for server in without:
        yield Finding(
            "spaces", f"{server}: it has titles and no live text space, so nobody's answers are personal", f"palate embed --server {server}"
        )
    for server, fault in damaged:
        yield Finding("spaces", f"{server}: {FAULTS[fault]} ({fault})", f"palate embed --server {server}")
    if not without and not damaged:
        yield Finding("spaces", "what serves is whole")


def _vectors(look: Look) -> Iterator[Finding]:
    """Titles that came after a space was learned get their vector when it is learned again, which waits until more was watched."""
    spaces = doctor.missing_vectors(look.connection)
    for one in spaces:
        if one.n:
            command = "embed" if one.kind == "text" else "learn"
            said = f"{one.server}: {one.n:,} of {one.n_of:,} titles have no {one.kind} vector, so no search finds them there"
            yield Finding("vectors", said, f"palate {command} --server {one.server}")
    if not spaces:
        yield Finding("vectors", "there is no live space yet")
    elif not any(one.n for one in spaces):
        yield Finding("vectors", f"every title has one that should, in each of {len(spaces)} live spaces")


def _tastes(look: Look) -> Iterator[Finding]:
    spaces = doctor.stale_tastes(look.connection, look.now())
    late = [one for one in spaces if one.n > MAX_STALE_SHARE * one.n_of]
    for one in late:
        said = f"{one.server}: {one.n:,} of {one.n_of:,} {one.kind} tastes are missing or older than what was watched; does a worker run?"
        yield Finding("tastes", said, f"palate embed --server {one.server}")
    if not late:
        yield Finding("tastes", f"as new as what was watched ({sum(one.n for one in spaces):,} waiting)")


def _models(look: Look) -> Iterator[Finding]:
    live, n_faults = models.live_models(look.connection), 0
    for one in live:
        try:
            read_second_stage(
                models.get_model(look.connection, one.server_id, one.id).name, models.read_bytes(look.connection, one.server_id, one.id)
            )
        except Exception as error:  # whatever a model's bytes can raise, it does not serve
            n_faults += 1
            server = get_server(look.connection, one.server_id).external_id
            said = f"model {one.id}, live on {server}, cannot be loaded ({type(error).__name__}), so fused scores serve"
            yield Finding("models", said, f"palate models rollback --server {server}")
    if not n_faults:
        yield Finding("models", f"{len(live)} live, all can be loaded")


def _worker(look: Look) -> Iterator[Finding]:
    n_live, seconds = doctor.live_workers(look.connection), doctor.seconds_since_look(look.connection)
    if not list_servers(look.connection) and not n_live:
        yield Finding("worker", "none runs, and there is nothing to do for one")
    elif n_live < WORKERS_OF_A_PROCESS:
        said = "it has lost one of its two queues" if n_live else "none runs"
        yield Finding("worker", f"{said}, so what is new is not read, embedded or learned", "palate worker")
    elif seconds > MAX_LOOK_SECONDS:
        since = "ever" if seconds == float("inf") else f"for {seconds / 60:.0f} minutes"
        said = f"none has looked at what is due {since}, so no job starts by itself"
        yield Finding("worker", said, "Stop palate worker, or palate up, and start it again; its log says why.")
    else:
        yield Finding("worker", f"{n_live // WORKERS_OF_A_PROCESS} live, and looked at what is due {seconds:.0f} s ago")


def _queue(look: Look) -> Iterator[Finding]:
    n_waiting, seconds = queue_figures(look.connection, look.now())
    if seconds <= MAX_WAIT.total_seconds():
        yield Finding("queue", f"{n_waiting:,} jobs wait")
        return
    said = f"{n_waiting:,} jobs wait, the oldest for {seconds / 3600:.0f} hours: no worker runs, or one job takes all its time"
    yield Finding("queue", said, "palate worker")


CHECKS: dict[str, Callable[[Look], Iterator[Finding]]] = {
    "clock": _clock, "disk": _disk, "indexes": _indexes, "bloat": _bloat, "spaces": _spaces, "vectors": _vectors, "tastes": _tastes,
    "models": _models, "worker": _worker, "queue": _queue,
}  # fmt: skip
