"""Webhooks, the sittings that they tell of, and the entries that they say are gone."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection

from app.db.servers import server_of
from app.db.statements import statement
from app.ingest_types import Sitting
from app.types import Server


def find_webhook(connection: Connection, server: str, digest: bytes) -> Server | None:
    """The server of this id, if this is the digest of a secret of its webhooks."""
    row = connection.execute(statement("live", "find_webhook"), {"server": server, "digest": digest}).one_or_none()
    return None if row is None else server_of(row)


def create_webhook(connection: Connection, server_id: int, digest: bytes) -> None:
    connection.execute(statement("live", "create_webhook"), {"server_id": server_id, "digest": digest})


def revoke_webhooks(connection: Connection, server_id: int, now: datetime) -> int:
    """Returns how many secrets there were."""
    return connection.execute(statement("live", "revoke_webhooks"), {"server_id": server_id, "now": now}).rowcount


def hold_sitting(connection: Connection, server_id: int, key: str) -> Sitting | None:
    """Nobody else changes it until this transaction ends."""
    values = {"server_id": server_id, "key": key}
    connection.execute(statement("live", "hold_sitting"), values)
    row = connection.execute(statement("live", "find_sitting"), values).one_or_none()
    return None if row is None else Sitting(**row._mapping)


def put_sitting(connection: Connection, server_id: int, key: str, user: str, sitting: Sitting) -> None:
    """Nothing of a user who is erased."""
    connection.execute(statement("live", "put_sitting"), {"server_id": server_id, "key": key, "user": user, **asdict(sitting)})


def prune_sittings(connection: Connection, server_id: int, before: datetime) -> int:
    return connection.execute(statement("live", "prune_sittings"), {"server_id": server_id, "before": before}).rowcount


def doubt_entry(connection: Connection, server_id: int, entry: str) -> bool:
    """Whether it is there, as far as we know, and was not doubted."""
    return connection.execute(statement("live", "doubt_entry"), {"server_id": server_id, "entry": entry}).rowcount == 1


def doubted_entries(connection: Connection, server_id: int) -> list[str]:
    return list(connection.execute(statement("live", "list_doubted"), {"server_id": server_id}).scalars())


def forget_doubted(connection: Connection, server_id: int, entries: Sequence[str]) -> None:
    """They were asked about."""
    connection.execute(statement("live", "forget_doubted"), {"server_id": server_id, "entries": list(entries)})
