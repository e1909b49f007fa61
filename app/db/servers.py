"""Servers, keys and who may see what of which."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from app.db.statements import statement
from app.types import Key, Scope, Server, ServerKind


@dataclass(frozen=True)
class StoredKey:
    id: int
    name: str
    scopes: list[Scope]
    server: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True)
class Watched:
    """A line of what a user watched, for people to read. `completion` 0..1, None: unknown."""

    name: str
    year: int | None
    kind: str
    n_plays: int
    n_episodes: int
    completion: float | None
    rating: float | None
    is_favourite: bool
    is_liked: bool | None
    last_at: datetime | None


@dataclass(frozen=True)
class UserSummary:
    external_id: str
    name: str
    n_plays: int
    has_taste: bool


def put_server(connection: Connection, external_id: str, name: str, kind: ServerKind, settings: dict[str, Any]) -> tuple[Server, bool]:
    """Register or change a server. Returns it, and whether it is new."""
    values = {"external_id": external_id, "name": name, "kind": kind, "settings": json.dumps(settings)}
    row = connection.execute(statement("servers", "put_server"), values).one()
    return server_of(row), row.is_new


def find_server(connection: Connection, external_id: str) -> Server | None:
    row = connection.execute(statement("servers", "find_server"), {"external_id": external_id}).one_or_none()
    return None if row is None else server_of(row)


def server_of(row: Row[Any]) -> Server:
    """Of a row with the columns of a server."""
    return Server(row.id, row.external_id, row.name, row.kind, row.settings)


def get_server(connection: Connection, server_id: int) -> Server:
    """The server of this id of ours."""
    return list_servers(connection, server_id)[0]


def list_servers(connection: Connection, only: int | None = None) -> list[Server]:
    rows = connection.execute(statement("servers", "list_servers"), {"only": only})
    return [server_of(row) for row in rows]


def list_users(
    connection: Connection, server_id: int, *, limit: int | None = None, offset: int = 0, user: str | None = None
) -> list[UserSummary]:
    """By name; `user`: that one alone."""
    values = {"server_id": server_id, "limit": limit, "offset": offset, "user": user}
    rows = connection.execute(statement("servers", "list_users"), values)
    return [UserSummary(row.external_id, row.name, row.n_plays, row.has_taste) for row in rows]


def digest_of(key: str) -> bytes:
    """Keys are long and random, so a plain sha256 is enough to store."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def find_access(connection: Connection, digest: bytes, server: str | None) -> tuple[Key | None, Server | None]:
    """The key with this digest, unless revoked or expired, and the server of this id, where there are such."""
    return access_of(connection.execute(statement("servers", "find_access"), {"digest": digest, "server": server}).one())


def access_of(row: Row[Any]) -> tuple[Key | None, Server | None]:
    """Of a row with the columns of `find_access`."""
    key = None if row.key_name is None else Key(row.key_id, row.key_name, frozenset(row.scopes), row.key_server_id)
    return key, None if row.id is None else server_of(row)


def create_key(
    connection: Connection, name: str, digest: bytes, scopes: Sequence[Scope], server_id: int | None, expires_at: datetime | None
) -> int:
    values = {"name": name, "digest": digest, "scopes": list(scopes), "server_id": server_id, "expires_at": expires_at}
    return int(connection.execute(statement("servers", "create_key"), values).scalar_one())


def list_keys(connection: Connection) -> list[StoredKey]:
    return [StoredKey(**row._mapping) for row in connection.execute(statement("servers", "list_keys"))]


def revoke_key(connection: Connection, key_id: int, now: datetime) -> bool:
    """Whether there was such a key. Revoking twice keeps the first time."""
    return connection.execute(statement("servers", "revoke_key"), {"id": key_id, "now": now}).rowcount == 1


def write_key_use(connection: Connection, key_id: int, now: datetime) -> None:
    """To the minute: of several processes, the first in it writes."""
    connection.execute(statement("servers", "write_key_use"), {"id": key_id, "now": now})


def recent_history(connection: Connection, server_id: int, user: str, limit: int) -> list[Watched]:
    """What a user watched, newest first."""
    rows = connection.execute(statement("servers", "recent_history"), {"server_id": server_id, "user": user, "limit": limit})
    return [Watched(**row._mapping) for row in rows]


def find_user_id(connection: Connection, server_id: int, user: str) -> int | None:
    found = connection.execute(statement("servers", "find_user_id"), {"server_id": server_id, "user": user}).scalar_one_or_none()
    return None if found is None else int(found)
