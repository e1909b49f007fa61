"""What the media server no longer has. Its entries are marked, never dropped: what people watched stays, and a film that comes back is the
same film."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from app.db.ingest import delete_marked, stage_texts
from app.db.statements import statement


def living_entries(connection: Connection, server_id: int) -> dict[str, set[str]]:
    """The ids of what is there, by the id of its library; '' for none."""
    rows = connection.execute(statement("missing", "list_living"), {"server_id": server_id})
    return {row.library: set(row.external_ids) for row in rows}


def delete_entries(connection: Connection, server_id: int, external_ids: Collection[str], now: datetime) -> int:
    """Mark these as gone. Returns how many were there."""
    connection.execute(statement("items", "lock_exclusive"), {"server_id": server_id})
    stage_texts(connection, "missing", "staged_ids", external_ids)
    return delete_marked(connection, server_id, now)
