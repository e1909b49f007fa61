"""Where a media server is, and how far what it holds was read. Tokens come and go encrypted (`app.secrets`)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.db.servers import find_server, put_server
from app.db.statements import statement
from app.errors import BadInput
from app.types import MediaServerKind, Server


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """`synced_until` by the media server's clock; None: nothing was read to the end yet. `held`: libraries that are gone, or mostly, from
    an earlier sync, and why they were kept. `history_row`: the last that was read of a plugin's history."""

    kind: MediaServerKind
    url: str
    token: bytes
    media_server_id: str
    synced_until: datetime | None
    swept_at: datetime | None
    held: Mapping[str, str]
    history_row: int | None

    def __repr__(self) -> str:
        return f"StoredConnection({self.url!r})"


@dataclass(frozen=True, slots=True)
class ConnectedJellyfin:
    """A server, and the address of its Jellyfin."""

    id: int
    external_id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Selector:
    """How clients name a server: our own number, Jellyfin's id, the name, or its address; the first that fits counts."""

    id: int | None = None
    media_server_id: str | None = None
    name: str | None = None
    url: str | None = None


def store_connection(
    connection: Connection, server_id: str, kind: MediaServerKind, url: str, token: bytes, name: str, media_server_id: str
) -> Server:
    """`token`: encrypted. The server is made, with this name, if there is none; one that is there keeps its name and settings. Raises
    BadInput where it is another media server's, and where this media server is another one's."""
    known = find_server(connection, server_id)
    if known is not None:
        stored = find_connection(connection, known.id)
        if stored is not None and stored.media_server_id != media_server_id:
            raise BadInput(f"{server_id} is connected to another media server, at {stored.url}. Choose another name for this one.")
    other = connection.execute(statement("connections", "server_of"), {"media_server_id": media_server_id, "but": server_id}).scalar()
    if other is not None:
        raise BadInput(f"This media server is connected already, as {other}. Connected twice, everybody would be there twice.")
    shown_as, settings = (name, {}) if known is None else (known.name, known.settings)
    server, _ = put_server(connection, server_id, shown_as, kind, settings)
    put_connection(connection, server.id, kind, url, token, media_server_id)
    return server


def put_connection(
    connection: Connection, server_id: int, kind: MediaServerKind, url: str, token: bytes, media_server_id: str
) -> None:  # fmt: skip
    values = {"server_id": server_id, "kind": kind, "url": url, "token": token, "media_server_id": media_server_id}
    connection.execute(statement("connections", "put_connection"), values)


def find_connection(connection: Connection, server_id: int) -> StoredConnection | None:
    row = connection.execute(statement("connections", "find_connection"), {"server_id": server_id}).one_or_none()
    return None if row is None else StoredConnection(**row._mapping)


def find_jellyfin(connection: Connection, selector: Selector) -> ConnectedJellyfin | None:
    row = connection.execute(statement("connections", "find_jellyfin"), asdict(selector)).one_or_none()
    return None if row is None else ConnectedJellyfin(**row._mapping)


def jellyfin_of(connection: Connection, server: str) -> ConnectedJellyfin | None:
    """The Jellyfin that is connected as this server."""
    row = connection.execute(statement("connections", "jellyfin_of"), {"server": server}).one_or_none()
    return None if row is None else ConnectedJellyfin(**row._mapping)


def only_jellyfin(connection: Connection) -> ConnectedJellyfin | None:
    """None also where several are connected."""
    row = connection.execute(statement("connections", "only_jellyfin")).one_or_none()
    return None if row is None else ConnectedJellyfin(**row._mapping)


def is_connected(connection: Connection, server: Server | None) -> bool:
    """None: whether any is."""
    return bool(connected_servers(connection)) if server is None else find_connection(connection, server.id) is not None


def connected_servers(connection: Connection, kind: MediaServerKind | None = None) -> list[str]:
    """The ids of those that are connected to a media server, of this kind where one is given."""
    return list(connection.execute(statement("connections", "list_connected"), {"kind": kind}).scalars())


def write_synced(
    connection: Connection, server_id: int, synced_until: datetime, swept_at: datetime | None, held: Mapping[str, str]
) -> None:
    """A sync came to its end; `swept_at` None where it did not compare ids."""
    values = {"server_id": server_id, "synced_until": synced_until, "swept_at": swept_at, "held": json.dumps(dict(held))}
    connection.execute(statement("connections", "write_synced"), values)


def write_history_row(connection: Connection, server_id: int, row: int) -> None:
    connection.execute(statement("connections", "write_history_row"), {"server_id": server_id, "row": row})
