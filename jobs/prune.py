"""prune: deletes slates and signals of what was shown that are too old, the slates of those who opted out, sittings that are over, whose
plays stay, and spaces whose time to be gone back to is over."""

from datetime import datetime, timedelta

from app.db import Engine, spaces, text_spaces
from app.db.live import prune_sittings
from app.db.locks import only_one
from app.db.slates import forget_slates, prune_shown, prune_slates
from app.types import Server

# Rows of a transaction: half a second of deleting, with features.
AT_ONCE = 5_000
# Nothing is added to older ones (app.connect.sitting).
SITTINGS_KEPT = timedelta(days=1)


def prune(engine: Engine, server: Server, kept_days: int, now: datetime) -> int:
    """Returns how many slates, signals and sittings went."""
    with engine.begin() as connection:
        n_gone = forget_slates(connection, server.id) + prune_sittings(connection, server.id, now - SITTINGS_KEPT)
    for delete in (prune_slates, prune_shown):
        n_deleted = AT_ONCE
        while n_deleted == AT_ONCE:
            with engine.begin() as connection:
                n_deleted = delete(connection, server.id, now - timedelta(days=kept_days), AT_ONCE)
            n_gone += n_deleted
    return n_gone


def let_kept_spaces_go(engine: Engine, server: Server, kept_days: int, now: datetime) -> int:
    """Returns how many spaces went. Raises AlreadyRunning while a process embeds: it may be filling what is kept, to put it live."""
    with only_one(engine, f"embed-items {server.id}"):
        with engine.begin() as connection:
            n_gone = text_spaces.retire_kept(connection, server.id, now - timedelta(days=kept_days))
        spaces.drop_retired_spaces(engine, server.id)
    return n_gone
