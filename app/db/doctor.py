"""What may be wrong inside the database, over all servers: `palate doctor` names it, /metrics counts it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from app.db.looks import SILENT_FOR, last_looked_at
from app.db.spaces import space_of
from app.db.statements import statement
from app.types import Fault, Space

# Autovacuum begins at a fifth; where two fifths are dead it is not keeping up, and below so many rows nobody notices.
BLOATED_SHARE, BLOATED_ROWS = 0.4, 20_000


@dataclass(frozen=True)
class BloatedTable:
    name: str
    n_live: int
    n_dead: int
    vacuumed_at: datetime | None


@dataclass(frozen=True)
class Behind:
    """In one live space of a server: of how many items or users, how many lack what they should have."""

    server: str
    kind: str
    n: int
    n_of: int


def invalid_indexes(connection: Connection) -> list[str]:
    """Names that PostgreSQL takes, of indexes that it keeps up and does not use."""
    return list(connection.execute(statement("doctor", "invalid_indexes")).scalars())


def unindexed_spaces(connection: Connection) -> list[Space]:
    return [space_of(row._mapping) for row in connection.execute(statement("doctor", "unindexed_spaces"))]


def bloated_tables(connection: Connection, least: int = BLOATED_ROWS) -> list[BloatedTable]:
    rows = connection.execute(statement("doctor", "bloated_tables"), {"least": least, "share": BLOATED_SHARE})
    return [BloatedTable(**row._mapping) for row in rows]


def missing_vectors(connection: Connection) -> list[Behind]:
    """Of available items, in each live space, also where none is missing; in a learned one, of those that were there when it was."""
    return [Behind(**row._mapping) for row in connection.execute(statement("doctor", "missing_vectors"))]


def without_text_space(connection: Connection, before: datetime) -> list[str]:
    """Servers that were there before this, with titles, and no space to find them in by what they are about."""
    return list(connection.execute(statement("doctor", "without_text_space"), {"before": before}).scalars())


def damaged_spaces(connection: Connection) -> list[tuple[str, Fault]]:
    """The servers where something is wrong with what serves, and what."""
    return [(row.server, row.fault) for row in connection.execute(statement("doctor", "damaged_spaces"))]


def stale_tastes(connection: Connection, now: datetime) -> list[Behind]:
    """Of users with engagement, in each live space, also where none is stale."""
    return [Behind(**row._mapping) for row in connection.execute(statement("doctor", "stale_tastes"), {"now": now})]


def unlearned(connection: Connection, least_users: int, enough: int) -> dict[int, datetime]:
    """Of each server where plays count that nothing was learned from, by our id: when the first of them came. Where nothing was learned
    yet, only once so many people watched `enough` titles, counted for each."""
    rows = connection.execute(statement("doctor", "unlearned"), {"least_users": least_users, "enough": enough})
    return {row.id: row.since for row in rows}


def live_workers(connection: Connection) -> int:
    """A process of `palate worker` is two: one for heavy jobs and one for light ones."""
    return int(connection.execute(statement("doctor", "live_workers"), {"heard_within": SILENT_FOR}).scalar_one())


def seconds_since_look(connection: Connection) -> float:
    """Since a worker last looked at what is due, by the database's clock; infinite where none ever has."""
    looked_at = last_looked_at(connection)
    return float("inf") if looked_at is None else (clock(connection) - looked_at).total_seconds()


def size_bytes(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def clock(connection: Connection) -> datetime:
    now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now


def run_alone(engine: Engine, sql: str) -> str | None:
    """A statement that no transaction may hold. Returns why it failed, None: it did not."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            connection.exec_driver_sql(sql)
        except DBAPIError as error:
            return str(error.orig).strip().splitlines()[0]
    return None
