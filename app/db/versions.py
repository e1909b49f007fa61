"""Versions of what an answer depends on: while they are the same, so is the answer, but for what the clock changes in it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.db.driver import ask_at_once
from app.db.servers import access_of
from app.db.statements import statement
from app.types import Key, Server, Space

# The digest of no key: for those who were let in without one.
NO_KEY = b""
# In place of a version of everybody's engagement, where they are more than can be looked at each time.
MANY = "many"


@dataclass(frozen=True)
class Versions:
    """`own`: of the server's settings and catalogue, the user's access and engagement, live spaces, tastes and ranker.

    `others`: of everybody's engagement, for answers that say how many watched something, or MANY; None where it was not asked for.
    """

    own: str
    others: str | None


def find_versions(
    connection: Connection, digest: bytes, server: str, user: str | None, now: datetime, *, with_others: bool
) -> tuple[Key | None, Server | None, Versions]:
    """As `servers.find_access`, and in the same query the versions of what an answer depends on. To be read before the answer is made.

    On a connection that is in no transaction it is asked at once.
    """
    values = {"digest": digest, "server": server, "user": user, "now": now, "with_others": with_others}
    asked = statement("versions", "find_versions")
    row = connection.execute(asked, values).one() if connection.in_transaction() else ask_at_once(connection, asked, values)
    own = f"{row.server_version}/{row.user_version}/{row.ranker_id}/{row.space_versions}"
    others = MANY if row.others_version is None else str(row.others_version)
    return *access_of(row), Versions(own, others if with_others else None)


def touch_catalogue(connection: Connection, server_id: int) -> None:
    """Something changed that anybody's answer may show. In that transaction, and late in it: another's change waits for its end."""
    connection.execute(statement("versions", "touch_catalogue"), {"server_id": server_id})


def touch_catalogue_of_live(connection: Connection, space: Space) -> None:
    """Vectors of a space changed, which matters where it is live."""
    connection.execute(statement("versions", "touch_catalogue_of_live"), {"server_id": space.server_id, "space_id": space.id})
