"""The SQLAlchemy engine, and whether the database behind it can hold Palate."""

from typing import Any

from psycopg.pq import Format
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from app.errors import DatabaseUnsuitable, NotReady

MIN_POSTGRES = 150000
MIN_PGVECTOR = (0, 8, 4)

SHARED_OPTIONS = {
    # Costs of compiling a query pass its gain at these sizes.
    "jit": "off",
    "hnsw.iterative_scan": "relaxed_order",
    # Facets start from several places: recall does not rise beyond this (EXPERIMENTS, facets and recall).
    "hnsw.ef_search": "100",
}
SERVE_OPTIONS = {
    **SHARED_OPTIONS,
    # Planning the retrieval statement costs as much as running it; its LIMIT is a literal, so that the
    # generic plan is the right one (EXPERIMENTS, search).
    "plan_cache_mode": "force_generic_plan",
    # Rows that are looked up once each are only copied: a tenth of the find statement (EXPERIMENTS, the second stage under load).
    "enable_memoize": "off",
    "statement_timeout": "15s",
}
# Execution options of a statement whose many rows are to come as bytes: vectors and numbers as text take twice as long to write and read.
BINARY = {"palate_binary": True}

WORK_OPTIONS = {**SHARED_OPTIONS, "plan_cache_mode": "force_custom_plan"}
# Whoever sent it waits for it: what a lock or a disk holds up is told to be sent again.
WRITE_OPTIONS = {**WORK_OPTIONS, "statement_timeout": "30s", "lock_timeout": "10s"}
# A thread that waits for a connection answers nobody.
POOL_SECONDS = 10


def serving_engine(url: str, pool_size: int) -> Engine:
    """For requests: every statement is prepared at once and planned once a connection."""
    return _engine(
        url, SERVE_OPTIONS, pool_size=pool_size, max_overflow=0, pool_timeout=POOL_SECONDS, pool_use_lifo=True, prepare_threshold=0
    )


def writing_engine(url: str, pool_size: int) -> Engine:
    """For requests that write: planned for the values at hand, each in bounded time."""
    return _engine(url, WRITE_OPTIONS, pool_size=pool_size, max_overflow=0, pool_timeout=POOL_SECONDS, prepare_threshold=None)


def working_engine(url: str, pool_size: int = 4) -> Engine:
    """For jobs and commands: planned for the values at hand, no time limit on a statement."""
    return _engine(url, WORK_OPTIONS, pool_size=pool_size, max_overflow=0, pool_timeout=60, prepare_threshold=None)


def _engine(url: str, options: dict[str, str], *, prepare_threshold: int | None, **pool: Any) -> Engine:
    target = make_url(url)
    if target.get_backend_name() != "postgresql":
        raise DatabaseUnsuitable("PALATE_DATABASE_URL must begin with postgresql://")
    target = target.set(drivername="postgresql+psycopg")
    given = target.query.get("options", "")
    connect_args = {
        "options": " ".join([str(given), *(f"-c {name}={value}" for name, value in options.items())]).strip(),
        "prepare_threshold": prepare_threshold,
        "application_name": "palate",
        "connect_timeout": 10,
    }
    engine = create_engine(target.difference_update_query(["options"]), connect_args=connect_args, **pool)
    event.listen(engine, "connect", _fix_types)
    event.listen(engine, "before_cursor_execute", _choose_format)
    return engine


def _fix_types(connection: Any, _record: object) -> None:
    # psycopg sends the narrowest integer that fits, and each width would be prepared and planned by itself.
    connection.adapters.register_dumper(int, Int8Dumper)


def _choose_format(_connection: object, cursor: Any, _sql: str, _values: object, context: Any, _is_many: bool) -> None:
    if context is not None and context.execution_options.get("palate_binary"):
        cursor.format = Format.BINARY


def connections(engine: Engine) -> tuple[int, int]:
    """How many of the pool are in use, and how many there may be."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout(), pool.size()


def check_database(engine: Engine) -> str:
    """What the database is ("PostgreSQL 18.4, pgvector 0.8.5"). Raises NotReady or DatabaseUnsuitable with what to do."""
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
            shown = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
            row = connection.execute(
                text("SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'vector'")
            ).one_or_none()
    except OperationalError as error:
        raise NotReady(f"The database does not answer: {_first_line(error)}. Check PALATE_DATABASE_URL.") from None
    if version < MIN_POSTGRES:
        raise DatabaseUnsuitable(f"PostgreSQL {shown} is too old: Palate needs 15 or later.")
    if row is None:
        raise DatabaseUnsuitable(
            "The pgvector extension is not installed on this PostgreSQL. Install pgvector 0.8.4 or later "
            "(the image pgvector/pgvector carries it)."
        )
    found = row.installed_version or row.default_version
    if _version(found) < MIN_PGVECTOR:
        advice = "ALTER EXTENSION vector UPDATE" if _version(row.default_version) >= MIN_PGVECTOR else "install a newer pgvector"
        raise DatabaseUnsuitable(f"pgvector {found} is too old: Palate needs 0.8.4 or later. Remedy: {advice}.")
    return f"PostgreSQL {shown}, pgvector {found}"


def _version(text_version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text_version.split(".") if part.isdigit())


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0].rstrip(".")
