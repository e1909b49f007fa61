"""A database that is made for a measurement and dropped after it."""

import contextlib
import uuid
from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from app.db.engine import working_engine
from app.db.statements import statement


@contextlib.contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """The URL of an empty database beside the one of `url`, which is not touched."""
    name = f"palate_scratch_{uuid.uuid4().hex[:12]}"
    engine = working_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # By this others see that it is somebody's.
            connection.execute(text(f"SET application_name = '{name}'"))
            _drop_abandoned(connection)
            connection.execute(text(f"CREATE DATABASE {name}"))
            try:
                yield make_url(url).set(database=name).render_as_string(hide_password=False)
            finally:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    finally:
        engine.dispose()


def _drop_abandoned(connection: Connection) -> None:
    """Those of processes that were killed while they measured, which could not drop them."""
    for name in connection.execute(statement("bench", "abandoned_databases")).scalars().all():
        # Another process may be dropping it, or it belongs to another role.
        with contextlib.suppress(DBAPIError):
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
