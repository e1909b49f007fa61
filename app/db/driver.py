"""Past SQLAlchemy, where the driver does what it does not, or in less time."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, TextClause
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

DIALECT = make_url("postgresql+psycopg://").get_dialect()()


@contextlib.contextmanager
def driver_of(connection: Connection, what: str) -> Iterator["psycopg.Connection[Any]"]:
    """The driver's own connection. Its errors become SQLAlchemy's, which are what tells everybody else whether to try again."""
    driver: Any = connection.connection.driver_connection
    try:
        yield driver
    except psycopg.Error as error:
        is_lost: bool = driver.closed
        if is_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            what, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=is_lost, dialect=connection.dialect
        ) from error


def ask_at_once(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> Any:
    """The row of a query that finds one, on a connection that is in no transaction: one round trip in place of three, and less than half of
    the time (EXPERIMENTS, answers that are repeated)."""
    sql = _sql(statement)
    with driver_of(connection, sql) as driver:
        driver.autocommit = True
        try:
            with driver.cursor(row_factory=namedtuple_row) as cursor:
                return cursor.execute(sql, values).fetchone()
        finally:
            if not driver.closed:
                driver.autocommit = False


@functools.cache
def _sql(statement: TextClause) -> str:
    return str(statement.compile(dialect=DIALECT))
