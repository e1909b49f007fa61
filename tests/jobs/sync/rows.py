"""All that a sync writes, under the names that the media server gives: equal wherever the same was told, whatever happened on the way."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from sqlalchemy import text

from app.db import Engine
from app.errors import MediaServerDown
from app.types import Server
from tests.connect.fake_jellyfin.server import FakeJellyfin

READ = {
    "entries": """
        SELECT e.external_id, e.kind, i.identity, l.external_id AS library, e.deleted_at IS NOT NULL AS is_gone, e.body::text
        FROM entries e LEFT JOIN items i ON i.server_id = e.server_id AND i.id = e.item_id
        LEFT JOIN libraries l ON l.server_id = e.server_id AND l.id = e.library_id WHERE e.server_id = :server_id""",
    "items": "SELECT identity, name, year, genres, n_episodes, is_available FROM items WHERE server_id = :server_id",
    "users": """
        SELECT u.external_id, u.name, u.is_disabled, u.has_all_libraries, u.policy_digest, u.grant_id IS NOT NULL AS is_limited,
               ARRAY(SELECT e.external_id FROM granted_entries a JOIN entries e ON e.server_id = a.server_id AND e.id = a.entry_id
                     WHERE a.server_id = u.server_id AND a.grant_id = u.grant_id ORDER BY 1) AS sees
        FROM users u WHERE u.server_id = :server_id""",
    "plays": """
        SELECT u.external_id AS user, e.external_id AS entry, p.source, p.source_key, p.started_at, p.percent, p.is_completed
        FROM plays p JOIN users u ON u.server_id = p.server_id AND u.id = p.user_id
        JOIN entries e ON e.server_id = p.server_id AND e.id = p.entry_id WHERE p.server_id = :server_id""",
    "signals": """
        SELECT u.external_id AS user, e.external_id AS entry, s.kind, s.value
        FROM signals s JOIN users u ON u.server_id = s.server_id AND u.id = s.user_id
        JOIN entries e ON e.server_id = s.server_id AND e.id = s.entry_id WHERE s.server_id = :server_id""",
    "engagement": """
        SELECT u.external_id AS user, i.identity, g.n_plays, g.n_episodes, g.completion, g.last_at, g.rating, g.is_favourite, g.is_liked,
               g.is_seen, g.is_finished, g.n_finished, g.first_at
        FROM engagement g JOIN users u ON u.server_id = g.server_id AND u.id = g.user_id
        JOIN items i ON i.server_id = g.server_id AND i.id = g.item_id WHERE g.server_id = :server_id""",
}  # fmt: skip


def rows(engine: Engine, server: Server, table: str, **only: Any) -> list[Any]:
    """Of one table, those with these values, in an order of their own."""
    with engine.begin() as connection:
        found = connection.execute(text(READ[table]), {"server_id": server.id}).all()
    return sorted((row for row in found if all(getattr(row, name) == value for name, value in only.items())), key=repr)


def everything(engine: Engine, server: Server) -> dict[str, list[Any]]:
    return {table: rows(engine, server, table) for table in READ}


def break_off(fake: FakeJellyfin, moments: Iterable[int], server: Server, sync: Callable[..., Any], engine: Engine) -> None:
    """Syncs that end after so many requests each, none of which deletes anything, and one that comes to its end."""
    for left in moments:
        fake.dies_at = len(fake.asked) + left
        with pytest.raises(MediaServerDown):
            sync(server, depth="everything")
        assert rows(engine, server, "entries", is_gone=True) == []
    fake.dies_at = None
    sync(server, depth="everything")
