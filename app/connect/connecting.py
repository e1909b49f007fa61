"""Remembering where a media server is: what the command and the page have in common."""

from app.connect.media_server import ServerInfo
from app.db import Connection
from app.db.connections import find_connection, put_connection
from app.db.servers import find_server, put_server
from app.errors import BadInput
from app.types import MediaServerKind, Server


def store_connection(
    connection: Connection, server_id: str, kind: MediaServerKind, url: str, token: bytes, info: ServerInfo
) -> Server:  # fmt: skip
    """`token`: encrypted. The server is made if there is none; one that is there keeps its name and settings. Raises BadInput where it is
    another media server's."""
    known = find_server(connection, server_id)
    if known is not None:
        stored = find_connection(connection, known.id)
        if stored is not None and stored.media_server_id != info.id:
            raise BadInput(f"{server_id} is connected to another media server, at {stored.url}. Choose another name for this one.")
    name, settings = (info.name, {}) if known is None else (known.name, known.settings)
    server, _ = put_server(connection, server_id, name, kind, settings)
    put_connection(connection, server.id, kind, url, token, info.id)
    return server
