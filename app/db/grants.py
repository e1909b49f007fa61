"""What users may see where the media server was asked: a set of titles, stored once however many users share it."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.ingest import stage_texts
from app.db.statements import statement


@dataclass(frozen=True, slots=True)
class KnownUser:
    """`is_limited`: sees a set of titles; `policy_digest`: of the policy under which the media server was asked for it."""

    external_id: str
    is_limited: bool
    is_disabled: bool
    policy_digest: str | None
    is_erased: bool


def known_users(connection: Connection, server_id: int) -> dict[str, KnownUser]:
    rows = connection.execute(statement("grants", "list_granted"), {"server_id": server_id})
    return {row.external_id: KnownUser(**row._mapping) for row in rows}


def granted_titles(connection: Connection, server_id: int, user: str) -> set[str]:
    """The set that a limited user sees."""
    return set(connection.execute(statement("grants", "read_granted"), {"server_id": server_id, "user": user}).scalars())


def lacking_titles(connection: Connection, server_id: int, titles: Collection[str]) -> list[str]:
    """The titles of the server that are not among these."""
    stage_texts(connection, "grants", "staged_granted", titles)
    return list(connection.execute(statement("grants", "list_lacking"), {"server_id": server_id}).scalars())


def grant(connection: Connection, server_id: int, user: str, titles: Collection[str], policy_digest: str, *, is_unlimited: bool) -> None:
    """From now on the user sees these titles alone; all, also those to come, where they are all there is and the policy has no limits.

    In the caller's transaction, after `ingest_users` wrote the user.
    """
    server = {"server_id": server_id}
    connection.execute(statement("plays", "lock_shared"), server)
    lacking = lacking_titles(connection, server_id, titles)
    grant_id = None
    if lacking or not is_unlimited:
        grant_id = connection.execute(statement("grants", "put_grant"), server).scalar_one()
    values = server | {"user": user, "grant_id": grant_id, "policy_digest": policy_digest}
    connection.execute(statement("grants", "give_grant"), values)


def disable_gone(connection: Connection, server_id: int, present: Collection[str]) -> int:
    """Users that the media server told of and does not any more: they are answered nothing, and are here if they come back. How many."""
    stage_texts(connection, "grants", "staged_granted", present)
    return connection.execute(statement("grants", "disable_gone"), {"server_id": server_id}).rowcount


def drop_unused_grants(connection: Connection, server_id: int) -> None:
    connection.execute(statement("grants", "drop_unused_grants"), {"server_id": server_id})
