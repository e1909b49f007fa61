"""Where a media server is, and how far what it holds was read. Tokens come and go encrypted (`app.secrets`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.db.statements import statement
from app.types import Server


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """`synced_until` by the media server's clock; None: nothing was read to the end yet. `held`: libraries that are gone, or mostly, from
    an earlier sync, and why they were kept. `history_row`: the last that was read of a plugin's history."""

    url: str
    token: bytes
    media_server_id: str
    synced_until: datetime | None
    swept_at: datetime | None
    held: Mapping[str, str]
    history_row: int | None

    def __repr__(self) -> str:
        return f"StoredConnection({self.url!r})"


def put_connection(connection: Connection, server_id: int, url: str, token: bytes, media_server_id: str) -> None:
    values = {"server_id": server_id, "url": url, "token": token, "media_server_id": media_server_id}
    connection.execute(statement("connections", "put_connection"), values)


def find_connection(connection: Connection, server_id: int) -> StoredConnection | None:
    row = connection.execute(statement("connections", "find_connection"), {"server_id": server_id}).one_or_none()
    return None if row is None else StoredConnection(**row._mapping)


def is_connected(connection: Connection, server: Server | None) -> bool:
    """None: whether any is."""
    connected = connected_servers(connection)
    return bool(connected) if server is None else server.external_id in connected


def connected_servers(connection: Connection) -> list[str]:
    """Their ids."""
    return list(connection.execute(statement("connections", "list_connected")).scalars())


def write_synced(
    connection: Connection, server_id: int, synced_until: datetime, swept_at: datetime | None, held: Mapping[str, str]
) -> None:
    """A sync came to its end; `swept_at` None where it did not compare ids."""
    values = {"server_id": server_id, "synced_until": synced_until, "swept_at": swept_at, "held": json.dumps(dict(held))}
    connection.execute(statement("connections", "write_synced"), values)


def write_history_row(connection: Connection, server_id: int, row: int) -> None:
    connection.execute(statement("connections", "write_history_row"), {"server_id": server_id, "row": row})
