"""prune: deletes slates and signals of what was shown that are too old, and the slates of who opted out."""

from datetime import datetime, timedelta

from app.db import Engine
from app.db.slates import forget_slates, prune_shown, prune_slates
from app.types import Server

# Rows of a transaction: half a second of deleting, with features.
AT_ONCE = 5_000


def prune(engine: Engine, server: Server, kept_days: int, now: datetime) -> int:
    """Returns how many slates and signals went."""
    with engine.begin() as connection:
        n_gone = forget_slates(connection, server.id)
    for delete in (prune_slates, prune_shown):
        n_deleted = AT_ONCE
        while n_deleted == AT_ONCE:
            with engine.begin() as connection:
                n_deleted = delete(connection, server.id, now - timedelta(days=kept_days), AT_ONCE)
            n_gone += n_deleted
    return n_gone
