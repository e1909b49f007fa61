"""A connected media server, asked by a job."""

import contextlib
from collections.abc import Callable, Iterator

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_server import read_info
from app.db import Engine
from app.db.connections import StoredConnection, find_connection
from app.errors import MediaServerRefused, NotConnected
from app.secrets import decrypted
from app.types import Server

Connect = Callable[[str, str], JellyfinClient]


@contextlib.contextmanager
def connected(engine: Engine, server: Server, secret: str, connect: Connect) -> Iterator[tuple[JellyfinClient, StoredConnection]]:
    """`secret` decrypts the stored token. Raises NotConnected, SecretKeyChanged, and what `JellyfinClient.get` raises."""
    with engine.begin() as connection:
        stored = find_connection(connection, server.id)
    if stored is None:
        raise NotConnected
    with connect(stored.url, decrypted(stored.token, secret)) as client:
        _check_who_answers(client, stored)
        yield client, stored


def _check_who_answers(client: JellyfinClient, stored: StoredConnection) -> None:
    """Also that somebody does, and takes the token. Titles of another server would be those that this one lost."""
    if read_info(client).id != stored.media_server_id:
        raise MediaServerRefused(f"Another Jellyfin answers at {client.url} than the one that was connected. Run `palate connect` again.")
