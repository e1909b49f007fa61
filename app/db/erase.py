"""Erasing a user: everything that is known of them goes, and a tombstone keeps it from coming back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.db.statements import statement
from app.db.versions import touch_catalogue
from app.errors import UnknownUser


@dataclass(frozen=True)
class Erased:
    """How many rows went, by table."""

    plays: int
    signals: int
    engagement: int
    tastes: int
    slates: int
    user_libraries: int
    jobs: int
    sittings: int
    playlists: int


def erase_user(connection: Connection, server_id: int, user: str, now: datetime) -> Erased:
    """Erase a user, also one who is only named by a play. Raises UnknownUser, of an erased one too.

    What ingest is about to write is written before, and goes with the rest, or is refused after; the same holds for
    tastes and slates. How many watched an item is counted anew by the statistics job.
    """
    connection.execute(statement("plays", "lock_shared"), {"server_id": server_id})
    user_id = connection.execute(statement("users", "lock_to_erase"), {"server_id": server_id, "user": user}).scalar_one_or_none()
    if user_id is None:
        raise UnknownUser
    values = {"server_id": server_id, "user_id": user_id, "now": now}
    erased = Erased(**connection.execute(statement("users", "erase_user"), values).one()._mapping)
    # Others are no longer told that one more watched something.
    touch_catalogue(connection, server_id)
    return erased


def hold_present(connection: Connection, users: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of these (server, user) did not opt out and are not erased, and won't be erased before this transaction ends.

    For what is written some time after it was read, of many users at once; ingest, which may be under way, is not waited for.
    """
    values = {"server_ids": [server_id for server_id, _ in users], "user_ids": [user_id for _, user_id in users]}
    return {(row.server_id, row.id) for row in connection.execute(statement("users", "lock_present"), values)}
