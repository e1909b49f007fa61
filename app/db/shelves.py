"""Shelves: the partitions that hold vectors, made and dropped without locking out a search.

A space's own has its id; those shared by small spaces have minus their dimension.
"""

from sqlalchemy import Connection, text

from app.db.statements import statement
from app.db.tables import PARTITION_SCHEMA


def partition_name(shelf: int) -> str:
    return f"shelf_{shelf}" if shelf > 0 else f"shared_{-shelf}"


def create_shelf(connection: Connection, shelf: int, dimension: int) -> bool:
    """Whether there was none."""
    name = f"{PARTITION_SCHEMA}.{partition_name(shelf)}"
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar_one() is not None:
        return False
    # Two builders may want the same shared partition at once.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('palate partition', 0))"))
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar_one() is not None:
        return False
    # Made beside and attached: CREATE TABLE ... PARTITION OF would lock out every search until this transaction ends.
    connection.execute(
        text(
            f"CREATE TABLE {name} (LIKE item_vectors INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING COMMENTS, CHECK (shelf = {shelf}), "
            f"CHECK (vector_dims(target) = {dimension}), CHECK (history IS NULL OR vector_dims(history) = {dimension}))"
        )
    )
    # Vectors stay in the row: a search that fetched each from the side table would take several times as long.
    connection.execute(text(f"ALTER TABLE {name} ALTER COLUMN target SET STORAGE MAIN"))
    connection.execute(text(f"ALTER TABLE item_vectors ATTACH PARTITION {name} FOR VALUES IN ({shelf})"))
    return True


def drop_shelf(connection: Connection, shelf: int) -> None:
    """Detached first, which lets searches go on, then dropped; a detaching that was killed is finished."""
    name = f"{PARTITION_SCHEMA}.{partition_name(shelf)}"
    is_pending = connection.execute(statement("spaces", "is_detach_pending"), {"name": name}).scalar_one_or_none()
    if is_pending is not None:
        connection.execute(text(f"ALTER TABLE item_vectors DETACH PARTITION {name} {'FINALIZE' if is_pending else 'CONCURRENTLY'}"))
    connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
