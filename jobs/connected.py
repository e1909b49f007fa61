"""A connected media server, asked by a job."""

import contextlib
from collections.abc import Callable, Iterator

from app.connect.media_server import MediaServer
from app.connect.plex import Guests
from app.db import Engine
from app.db.connections import StoredConnection, find_connection
from app.errors import MediaServerRefused, NotConnected
from app.secrets import decrypted
from app.types import MediaServerKind, Server

Connect = Callable[[MediaServerKind, str, str, Guests], MediaServer]


@contextlib.contextmanager
def connected(engine: Engine, server: Server, secret: str, connect: Connect) -> Iterator[tuple[MediaServer, StoredConnection]]:
    """`secret` decrypts the stored token. Raises NotConnected, SecretKeyChanged, and what the media server raises."""
    with engine.begin() as connection:
        stored = find_connection(connection, server.id)
    if stored is None:
        raise NotConnected
    guests: Guests = "show" if server.settings.get("guests") == "show" else "hide"
    with connect(stored.kind, stored.url, decrypted(stored.token, secret), guests) as media:
        _check_who_answers(media, stored)
        yield media, stored


def _check_who_answers(media: MediaServer, stored: StoredConnection) -> None:
    """Also that somebody does, and takes the token. Titles of another server would be those that this one lost."""
    if media.info().id != stored.media_server_id:
        raise MediaServerRefused(
            f"Another {media.product} answers at {media.url} than the one that was connected. Run `palate connect` again."
        )
