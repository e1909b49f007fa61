"""The plays that a plugin of the media server kept, with their times and lengths."""

from app.connect.bodies import PLAYS
from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_history import SOURCE, has_history, read_history
from app.db import Engine
from app.db.connections import write_history_row
from app.db.ingest import ingest_plays
from app.types import Server
from jobs.sync_content import Changes


def sync_history(engine: Engine, server: Server, client: JellyfinClient, known_row: int | None) -> Changes:
    """What came since the row that was read last; each page and how far it came in one transaction. Raises as `JellyfinClient.get`."""
    changes = Changes()
    if not has_history(client):
        return changes
    for page in read_history(client, known_row):
        plays, _, rejected = PLAYS.read(page.plays)
        changes.n_rejected += len(rejected)
        with engine.begin() as connection:
            if plays:
                changes.add(ingest_plays(connection, server.id, SOURCE, plays))
            write_history_row(connection, server.id, page.last_row)
    return changes
