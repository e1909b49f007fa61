"""Entries that a webhook says are gone: the media server is asked about each, and what looks like a disk that is not mounted is left to the
nightly comparison (`sync_missing`), which holds it."""

from datetime import datetime

from app.connect.media_server import MediaServer
from app.db import Engine
from app.db.live import doubted_entries, forget_doubted
from app.db.missing import delete_entries, living_entries
from app.types import Server
from jobs.sync_missing import reason_to_hold


def sync_doubted(engine: Engine, server: Server, media: MediaServer, now: datetime) -> int:
    """Returns how many went. Raises as the media server does; they are doubted still then."""
    with engine.begin() as connection:
        doubted = doubted_entries(connection, server.id)
    if not doubted:
        return 0
    gone = set(doubted) - media.present_among(doubted)
    with engine.begin() as connection:
        lacking = [(gone & entries, len(entries)) for entries in living_entries(connection, server.id).values()]
        ids = sorted(key for keys, n_entries in lacking if reason_to_hold(True, len(keys), n_entries) is None for key in keys)
        n_deleted = delete_entries(connection, server.id, ids, now) if ids else 0
        forget_doubted(connection, server.id, doubted)
    return n_deleted
