"""palate doctor: what Palate needs, looked at one by one, and what to do about what is missing."""

import contextlib
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from app.commands.session import database_url, write_json
from app.db import Connection, Engine, SQLAlchemyError, doctor, models
from app.db.engine import check_database, working_engine
from app.db.jobs import queue_figures
from app.db.servers import get_server
from app.db.spaces import index_statement
from app.errors import PalateError
from app.learn.second_stage import read_second_stage
from app.learn.text_encoder import locate_model
from app.logs import configure_logs
from app.settings import Settings
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


@dataclass(frozen=True)
class Finding:
    """`remedy`: what to run or change; None where nothing is wrong."""

    check: str
    detail: str
    remedy: str | None = None


def add_to(app: typer.Typer) -> None:
    app.command("doctor")(doctor_)


def doctor_(json: Annotated[Path | None, typer.Option(help="Write the findings to this file.")] = None) -> None:
    """Check what Palate needs, and say what to do about what is missing.

    Example: palate doctor --json health.json
    """
    settings = Settings()
    configure_logs(settings)
    found = []
    for one in examine(settings, lambda: datetime.now(UTC)):
        found.append(one)
        print(f"ok     {one.check}: {one.detail}" if one.remedy is None else f"FAULT  {one.check}: {one.detail}\n       {one.remedy}")
    n_faults = sum(one.remedy is not None for one in found)
    write_json(json, {"n_faults": n_faults, "findings": [asdict(one) for one in found]})
    if n_faults:
        sys.exit(1)


def examine(settings: Settings, now: Clock) -> Iterator[Finding]:
    yield Finding("versions", f"Palate {version('palate')}, Python {platform.python_version()}")
    yield from _data_folder(settings.data_dir)
    yield from _key_files(settings.data_dir)
    yield _text_model(settings)
    yield _port(settings)
    with contextlib.ExitStack() as stack:
        try:
            engine = working_engine(database_url(settings, stack))
            stack.callback(engine.dispose)
            yield Finding("database", check_database(engine))
        except PalateError as error:
            yield Finding("database", str(error), "Mend what the line above names, then run palate doctor again.")
            return
        yield from examine_database(engine, settings, now)


def examine_database(engine: Engine, settings: Settings, now: Clock) -> Iterator[Finding]:
    try:
        revision = current_revision(engine)
        if revision != newest_revision():
            yield Finding("schema", f"the database is at {revision}, this version needs {newest_revision()}", "palate migrate")
            return
        yield Finding("schema", f"at {revision}")
        with engine.begin() as connection:
            yield _clock(connection, now)
            yield disk(settings, doctor.size_bytes(connection))
            yield from _indexes(connection)
            yield from _bloat(connection)
            yield from _vectors(connection)
            yield from _tastes(connection, now())
            yield from _models(connection)
            yield _queue(connection, now())
    except SQLAlchemyError as error:
        yield Finding("database", f"could not be looked at: {type(error).__name__}", "Its own log says why. Run palate doctor again.")


def _data_folder(folder: Path) -> Iterator[Finding]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Finding(
            "data folder", f"{folder} cannot be made: {error.strerror}", "Set PALATE_DATA_DIR to a folder that can be written to."
        )
        return
    if not os.access(folder, os.W_OK):
        yield Finding("data folder", f"{folder} cannot be written to", f"chown {os.geteuid()} {folder}")
    else:
        yield Finding("data folder", str(folder.resolve()))


def _key_files(folder: Path) -> Iterator[Finding]:
    files = [file for file in (folder / "admin-key", folder / "secret-key") if file.exists()]
    open_to_others = [file for file in files if file.stat().st_mode & 0o077]
    for file in open_to_others:
        yield Finding("keys", f"{file} can be read by others than its owner", f"chmod 600 {file}")
    if not open_to_others:
        yield Finding("keys", "none kept in files" if not files else "readable by their owner only")


def _text_model(settings: Settings) -> Finding:
    try:
        return Finding("text model", str(locate_model(settings.embedding_model).folder))
    except PalateError as error:
        return Finding("text model", str(error), "Set PALATE_EMBEDDING_MODEL to a model that is there.")


def _port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.settimeout(2)
        if probe.connect_ex((settings.host, settings.port)) == 0:
            return Finding("port", f"{settings.port} answers: Palate, or something else, runs there")
    return Finding("port", f"{settings.port} is free")


def _clock(connection: Connection, now: Clock) -> Finding:
    before = now()
    theirs = doctor.clock(connection)
    apart = abs((theirs - (before + (now() - before) / 2)).total_seconds())
    said = f"{apart:.1f} s from the database's"
    return Finding("clock", said, "timedatectl set-ntp true, here and where the database runs" if apart > MAX_CLOCK_SECONDS else None)


def disk(settings: Settings, database_bytes: int) -> Finding:
    """Free space is known of this machine alone: where the database is elsewhere, of the data folder."""
    folder = settings.data_dir.resolve()
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    wanted = max(LEAST_FREE_BYTES, LEAST_FREE_SHARE * database_bytes if settings.database_url is None else 0)
    said = f"{free / 1e9:.1f} GB free for {settings.data_dir}; the database has {database_bytes / 1e9:.2f} GB"
    return Finding("disk", said, f"Free {wanted / 1e9:.1f} GB there, or move PALATE_DATA_DIR." if free < wanted else None)


def _indexes(connection: Connection) -> Iterator[Finding]:
    invalid = doctor.invalid_indexes(connection)
    unindexed = doctor.unindexed_spaces(connection)
    for name in invalid:
        yield Finding("indexes", f"{name} is not valid, so no search uses it", f"psql: REINDEX INDEX CONCURRENTLY {name};")
    for space in unindexed:
        server = get_server(connection, space.server_id).external_id
        remedy = f"psql: {index_statement(space).replace('INDEX', 'INDEX CONCURRENTLY', 1)};"
        yield Finding("indexes", f"the live {space.kind} space of {server} has no vector index, so each search reads all of it", remedy)
    if not invalid and not unindexed:
        yield Finding("indexes", "all valid")


def _bloat(connection: Connection) -> Iterator[Finding]:
    bloated = doctor.bloated_tables(connection)
    for table in bloated:
        when = f"last vacuumed {table.vacuumed_at:%Y-%m-%d %H:%M}" if table.vacuumed_at else "never vacuumed"
        said = f"{table.name}: {table.n_dead:,} dead rows beside {table.n_live:,}, {when}"
        yield Finding("bloat", said, f"psql: VACUUM (ANALYZE) {table.name};")
    if not bloated:
        yield Finding("bloat", "no table has many dead rows")


def _vectors(connection: Connection) -> Iterator[Finding]:
    spaces = doctor.missing_vectors(connection)
    for one in spaces:
        if one.n:
            command = "embed" if one.kind == "text" else "learn"
            said = f"{one.server}: {one.n:,} of {one.n_of:,} titles have no {one.kind} vector, so no search finds them there"
            yield Finding("vectors", said, f"palate {command} --server {one.server}")
    if not any(one.n for one in spaces):
        yield Finding("vectors", f"every title has one in each of {len(spaces)} live spaces")


def _tastes(connection: Connection, now: datetime) -> Iterator[Finding]:
    spaces = doctor.stale_tastes(connection, now)
    late = [one for one in spaces if one.n > MAX_STALE_SHARE * one.n_of]
    for one in late:
        said = f"{one.server}: {one.n:,} of {one.n_of:,} {one.kind} tastes are missing or older than what was watched; does a worker run?"
        yield Finding("tastes", said, f"palate embed --server {one.server}")
    if not late:
        yield Finding("tastes", f"as new as what was watched ({sum(one.n for one in spaces):,} waiting)")


def _models(connection: Connection) -> Iterator[Finding]:
    live, n_faults = models.live_models(connection), 0
    for one in live:
        try:
            read_second_stage(
                models.get_model(connection, one.server_id, one.id).name, models.read_bytes(connection, one.server_id, one.id)
            )
        except Exception as error:  # whatever a model's bytes can raise, it does not serve
            n_faults += 1
            server = get_server(connection, one.server_id).external_id
            said = f"model {one.id}, live on {server}, cannot be loaded ({type(error).__name__}), so fused scores serve"
            yield Finding("models", said, f"palate models rollback --server {server}")
    if not n_faults:
        yield Finding("models", f"{len(live)} live, all can be loaded")


def _queue(connection: Connection, now: datetime) -> Finding:
    n_waiting, seconds = queue_figures(connection, now)
    if seconds <= MAX_WAIT.total_seconds():
        return Finding("queue", f"{n_waiting:,} jobs wait")
    said = f"{n_waiting:,} jobs wait, the oldest for {seconds / 3600:.0f} hours: no worker runs, or one job takes all its time"
    return Finding("queue", said, "palate worker")
