"""What was put on media servers for their users, and what they would play of a series next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.db.statements import statement


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody to recommend something to; `user` is their id on the media server."""

    user_id: int
    user: str
    name: str


@dataclass(frozen=True, slots=True)
class Playlist:
    """`playlist_id` None: it was about to be made. `item_ids`: what we put into it; where it is not complete, or were about to."""

    user: str
    user_name: str
    user_id: int
    name: str
    playlist_id: str | None
    not_ours: Sequence[str]
    item_ids: Sequence[str]
    is_complete: bool
    let_go_at: datetime | None


def find_readers(connection: Connection, server_id: int) -> list[Reader]:
    return [Reader(**row._mapping) for row in connection.execute(statement("playlists", "find_readers"), {"server_id": server_id})]


def find_playlists(connection: Connection, server_id: int) -> list[Playlist]:
    return [Playlist(**row._mapping) for row in connection.execute(statement("playlists", "find_playlists"), {"server_id": server_id})]


def intend_playlist(
    connection: Connection, server_id: int, user_id: int, name: str, not_ours: Sequence[str], item_ids: Sequence[str]
) -> bool:
    """One is about to be made, in place of one that was let go; `not_ours` are those of its name that are there already. False: of a user
    who was erased nothing is written."""
    values = {"server_id": server_id, "user_id": user_id, "name": name, "not_ours": list(not_ours), "item_ids": list(item_ids)}
    return connection.execute(statement("playlists", "intend_playlist"), values).rowcount == 1


def set_playlist_id(connection: Connection, server_id: int, user_id: int, playlist_id: str) -> None:
    values = {"server_id": server_id, "user_id": user_id, "playlist_id": playlist_id}
    connection.execute(statement("playlists", "set_playlist_id"), values)


def set_playlist_items(connection: Connection, server_id: int, user_id: int, item_ids: Sequence[str], *, is_complete: bool) -> None:
    values = {"server_id": server_id, "user_id": user_id, "item_ids": list(item_ids), "is_complete": is_complete}
    connection.execute(statement("playlists", "set_playlist_items"), values)


def let_playlist_go(connection: Connection, server_id: int, user_id: int, now: datetime) -> None:
    connection.execute(statement("playlists", "let_playlist_go"), {"server_id": server_id, "user_id": user_id, "now": now})


def forget_playlist(connection: Connection, server_id: int, user_id: int) -> None:
    connection.execute(statement("playlists", "forget_playlist"), {"server_id": server_id, "user_id": user_id})


def find_next_episodes(connection: Connection, server_id: int, user_id: int, series: Sequence[str]) -> dict[str, str]:
    """The media server's ids of the episodes, by those of the series; of a series without episodes none."""
    values = {"server_id": server_id, "user_id": user_id, "series": list(series)}
    return {row.series: row.episode for row in connection.execute(statement("playlists", "find_next_episodes"), values)}
