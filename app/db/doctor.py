"""What may be wrong inside the database, over all servers: `palate doctor` names it, /metrics counts it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from app.db.spaces import space_of
from app.db.statements import statement
from app.types import Space

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
    """Of available items, in each live space, also where none is missing."""
    return [Behind(**row._mapping) for row in connection.execute(statement("doctor", "missing_vectors"))]


def stale_tastes(connection: Connection, now: datetime) -> list[Behind]:
    """Of users with engagement, in each live space, also where none is stale."""
    return [Behind(**row._mapping) for row in connection.execute(statement("doctor", "stale_tastes"), {"now": now})]


def last_learned(connection: Connection) -> float:
    """When item vectors were last learned from behaviour, on any server, in seconds since 1970; 0: never."""
    return float(connection.execute(statement("doctor", "last_learned")).scalar_one())


def size_bytes(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def clock(connection: Connection) -> datetime:
    now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now
