"""What a user hid: said as a signal, so that it stands in time order among those that came another way."""

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, TextClause, text

from app.db.access import access_values, open_entry
from app.db.ingest import ingest_signals
from app.db.statements import statement
from app.errors import UnknownItem, UnknownUser
from app.ingest_types import SignalRow
from app.types import Server, Viewer

SOURCE = "api"


@dataclass(frozen=True)
class HiddenItem:
    """`external_id` is an entry's that the user may open."""

    external_id: str
    name: str
    kind: Literal["movie", "series"]
    year: int | None
    hidden_at: datetime


def hide(connection: Connection, server_id: int, user: str, entry: str) -> str:
    """Hide the title that this entry is or belongs to, and return the title's own id. Raises UnknownUser, UnknownItem.

    In the caller's transaction, which must come from a working engine.
    """
    title = _open_title(connection, server_id, user, entry)
    if not title.is_hidden:
        _say(connection, server_id, user, title, 1.0)
    return str(title.external_id)


def unhide(connection: Connection, server_id: int, user: str, entry: str) -> str:
    """Take back whatever hid the title. Otherwise as `hide`."""
    title = _open_title(connection, server_id, user, entry)
    # Where nothing was said yet, a hide from before may still be on its way.
    if title.is_hidden or not title.was_said:
        _say(connection, server_id, user, title, 0.0)
    return str(title.external_id)


def list_hidden(connection: Connection, server: Server, viewer: Viewer) -> list[HiddenItem]:
    """Newest first; without what the viewer may not open now, and what is gone."""
    values = {"server_id": server.id, "user_id": viewer.user_id}
    if viewer.is_restricted:
        values |= access_values(server, viewer)
    return [HiddenItem(**row._mapping) for row in connection.execute(_list_sql(viewer.is_restricted), values)]


@functools.cache
def _list_sql(is_restricted: bool) -> TextClause:
    return text(statement("hidden", "list_hidden").text.format(open_entry=open_entry("i.id", is_restricted)))


def _open_title(connection: Connection, server_id: int, user: str, entry: str) -> Row[Any]:
    # In the order of ingest: entries don't move between items, then nobody else speaks for this user.
    connection.execute(statement("plays", "lock_shared"), {"server_id": server_id})
    user_id = connection.execute(statement("hidden", "lock_user"), {"server_id": server_id, "user": user}).scalar_one_or_none()
    if user_id is None:
        raise UnknownUser
    values = {"server_id": server_id, "user_id": user_id, "entry": entry}
    title = connection.execute(statement("hidden", "find_title"), values).one_or_none()
    if title is None:
        raise UnknownItem
    return title


def _say(connection: Connection, server_id: int, user: str, title: Row[Any], value: float) -> None:
    said = SignalRow(
        source_key=title.source_key, user_external_id=user, entry_external_id=title.external_id, kind="hide", value=value,
        at=title.next_at, signal_order=None, recommendation_id=None,
    )  # fmt: skip
    ingest_signals(connection, server_id, SOURCE, [said])
