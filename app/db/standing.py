"""What a media server said of a user and has not taken back: compared with what it says now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.db.ingest import stage_texts
from app.db.statements import statement


@dataclass(frozen=True, slots=True)
class Unplayed:
    """An entry that was played and is not among those played now; `versions`: those of the same part that are there, itself among them."""

    external_id: str
    versions: Sequence[str]


def standing_signals(connection: Connection, server_id: int, source: str, user: str) -> set[tuple[str, str]]:
    """(entry, kind) of each favourite, like, dislike and rating."""
    values = {"server_id": server_id, "source": source, "user": user}
    return {(row.external_id, row.kind) for row in connection.execute(statement("standing", "list_standing_signals"), values)}


def times_told(connection: Connection, server_id: int, source: str, user: str) -> dict[str, list[datetime | None]]:
    """When each play began that it told of each entry; None: one of which it knows nothing but that there was one."""
    values = {"server_id": server_id, "source": source, "user": user}
    found: dict[str, list[datetime | None]] = {}
    for row in connection.execute(statement("standing", "list_times_told"), values):
        found.setdefault(row.external_id, []).append(row.started_at)
    return found


def unplayed(connection: Connection, server_id: int, source: str, user: str, played: Collection[str]) -> list[Unplayed]:
    """`played`: all that was begun or watched, as the media server says it now."""
    stage_texts(connection, "missing", "staged_ids", played)
    values = {"server_id": server_id, "source": source, "user": user}
    return [Unplayed(**row._mapping) for row in connection.execute(statement("standing", "list_unplayed"), values)]
