"""The only place that knows SQL. What others need of SQLAlchemy's own names, they take from here."""

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

__all__ = ["Connection", "DBAPIError", "Engine", "PoolTimeout", "SQLAlchemyError", "is_passing", "is_too_slow"]

# Classes and codes of SQLSTATE: the database is going away, starting, too busy, or gave up waiting.
PASSING = ("57P", "08", "53", "57014", "55P03")


def is_too_slow(error: DBAPIError) -> bool:
    """Whether the statement was stopped by its time limit."""
    return getattr(error.orig, "sqlstate", None) == "57014"


def is_passing(error: DBAPIError) -> bool:
    """Whether the same statement may succeed in a moment: the connection broke, or the database is busy or restarting."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return error.connection_invalidated or state.startswith(PASSING)
