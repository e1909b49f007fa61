"""Locks that outlive a transaction and end with their process."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Engine, text

from app.errors import AlreadyRunning


@contextlib.contextmanager
def only_one(engine: Engine, name: str) -> Iterator[None]:
    """Hold a lock of this name on a connection of its own. Raises AlreadyRunning when another process has it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"name": f"palate {name}"}
        if not connection.execute(text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"), key).scalar_one():
            raise AlreadyRunning(f"{name.split(maxsplit=1)[0]} is already running for this server.")
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))"), key)
