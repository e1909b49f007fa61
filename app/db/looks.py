"""When workers last looked at what is due: a worker that tells that it lives may have stopped looking."""

from datetime import datetime, timedelta
from typing import Literal, get_args

from sqlalchemy import Connection

from app.db.statements import statement

# The clock hands back what dead workers left and starts what schedules say; beside it, the servers are looked after one by one.
LookName = Literal["clock", "servers"]
# A worker tells every ten seconds that it lives; after this it is taken for dead, and its jobs are handed to others.
SILENT_FOR = timedelta(seconds=30)


def note_look(connection: Connection, name: LookName) -> None:
    connection.execute(statement("looks", "note_look"), {"name": name})


def last_looked_at(connection: Connection) -> datetime | None:
    """When a worker last looked, of the two looks the one that is longer ago: to ten seconds, by the database's clock.

    None: one was never had. Looking after a server with much to do takes minutes, and is noted while it goes on.
    """
    values = {"n_names": len(get_args(LookName))}
    found: datetime | None = connection.execute(statement("looks", "last_looked_at"), values).scalar_one_or_none()
    return found
