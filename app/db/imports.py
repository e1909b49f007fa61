"""What was imported from where, and how it is taken back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

from app.db.ingest import empty_table, roll_up_engagement
from app.db.statements import statement


@dataclass(frozen=True)
class StoredImport:
    """`ended_at` None: broken off; `undone_at`: when it was taken back."""

    id: int
    kind: str
    file_name: str
    counts: Mapping[str, int]
    begun_at: datetime
    ended_at: datetime | None
    undone_at: datetime | None


@dataclass(frozen=True)
class TakenBack:
    """A page: `n_gone` rows went, `n_kept` stay, as another import brought them too; `last_key` None: there was nothing left."""

    n_gone: int
    n_kept: int
    last_key: str | None


def import_source(kind: str) -> str:
    """The door that imports of a kind come through: no other rows have it."""
    return f"{kind} import"


def begin_import(connection: Connection, server_id: int, kind: str, file_name: str, digest: bytes, now: datetime) -> tuple[int, bool]:
    """Its id, and whether the same was imported to its end before."""
    values = {"server_id": server_id, "kind": kind, "file_name": file_name, "digest": digest, "now": now}
    row = connection.execute(statement("imports", "begin_import"), values).one()
    return int(row.id), row.ended_at is not None


def end_import(connection: Connection, server_id: int, import_id: int, counts: Mapping[str, int], now: datetime) -> None:
    values = {"server_id": server_id, "id": import_id, "counts": json.dumps(dict(counts)), "now": now}
    connection.execute(statement("imports", "end_import"), values)


def list_imports(connection: Connection, server_id: int, only: int | None = None) -> list[StoredImport]:
    rows = connection.execute(statement("imports", "list_imports"), {"server_id": server_id, "only": only})
    return [StoredImport(**row._mapping) for row in rows]


def take_back(
    connection: Connection, server_id: int, found: StoredImport, stored: Literal["plays", "signals"], after: str | None, limit: int
) -> TakenBack:
    """Take back some of what it brought, and roll up. In the order of their keys, from `after` on."""
    # Alone, as where items are mapped: whoever writes plays of the same people waits for the page.
    connection.execute(statement("items", "lock_exclusive"), {"server_id": server_id})
    empty_table(connection, "engagement", "touched")
    values = {"server_id": server_id, "source": import_source(found.kind), "id": found.id, "after": after, "limit": limit}
    row = connection.execute(text(statement("imports", "take_back").text.format(stored=stored)), values).one()
    roll_up_engagement(connection, server_id)
    return TakenBack(row.n_gone, row.n_kept, row.last_key)


def end_undo(connection: Connection, server_id: int, import_id: int, now: datetime) -> None:
    connection.execute(statement("imports", "end_undo"), {"server_id": server_id, "id": import_id, "now": now})
