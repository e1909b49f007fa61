"""A database that is made for a measurement and dropped after it."""

import contextlib
import uuid
from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db.engine import working_engine


@contextlib.contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """The URL of an empty database beside the one of `url`, which is not touched."""
    name = f"palate_scratch_{uuid.uuid4().hex[:12]}"
    engine = working_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
            try:
                yield make_url(url).set(database=name).render_as_string(hide_password=False)
            finally:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    finally:
        engine.dispose()
