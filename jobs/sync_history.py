"""The plays that a plugin of the media server kept, with their times and lengths."""

from app.connect.bodies import PLAYS
from app.connect.media_server import HISTORY, MediaServer
from app.db import Engine
from app.db.connections import write_history_row
from app.db.ingest import ingest_plays
from app.types import Server
from jobs.sync_content import Changes


def sync_history(engine: Engine, server: Server, media: MediaServer, known_row: int | None) -> Changes:
    """What came since the row that was read last; each page and how far it came in one transaction. Raises as the media server does."""
    changes = Changes()
    for page in media.history(known_row):
        plays, _, rejected = PLAYS.read(page.plays)
        changes.n_rejected += len(rejected)
        with engine.begin() as connection:
            if plays:
                changes.add(ingest_plays(connection, server.id, HISTORY, plays))
            write_history_row(connection, server.id, page.last_row)
    return changes
