"""What is wrong with the rows of a server, whatever happened to those who wrote them: nothing, or a line for each kind of fault."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from app.db import Connection, Engine
from app.db.ingest import empty_table, roll_up_engagement

# No key of the database's own says so: of the large tables none has one.
BELONGS_TO = {
    "user_id": "users", "item_id": "items", "entry_id": "entries", "series_id": "entries", "space_id": "spaces", "library_id": "libraries",
    "grant_id": "grants", "model_id": "models",
}  # fmt: skip
COLUMNS = """
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = ANY (:names)
    ORDER BY 1, 2
"""
PAIRS = """
    INSERT INTO touched
    SELECT p.user_id, e.item_id FROM plays p JOIN entries e ON e.server_id = p.server_id AND e.id = p.entry_id
    WHERE p.server_id = :id AND e.item_id IS NOT NULL
    UNION SELECT s.user_id, e.item_id FROM signals s JOIN entries e ON e.server_id = s.server_id AND e.id = s.entry_id
    WHERE s.server_id = :id AND e.item_id IS NOT NULL
    UNION SELECT user_id, item_id FROM engagement WHERE server_id = :id
"""
TEXT_INCOMPLETE = """
    SELECT count(*) FROM spaces s JOIN items i USING (server_id)
    WHERE server_id = :id AND s.kind = 'text' AND s.status = 'live' AND NOT EXISTS (
        SELECT FROM item_vectors v
        WHERE v.server_id = s.server_id AND v.space_id = s.id AND v.item_id = i.id AND v.text_digest = i.text_digest)
"""
LEARNED_INCOMPLETE = """
    SELECT count(*) FROM spaces s JOIN (SELECT DISTINCT server_id, item_id FROM engagement) g USING (server_id)
    WHERE server_id = :id AND s.kind <> 'text' AND s.status = 'live' AND NOT EXISTS (
        SELECT FROM item_vectors v WHERE v.server_id = s.server_id AND v.space_id = s.id AND v.item_id = g.item_id)
"""
# Of who did something, in each live space; as new as what they did.
TASTELESS = """
    SELECT count(*) FROM spaces s JOIN users u USING (server_id)
    WHERE server_id = :id AND s.status = 'live' AND NOT u.is_opted_out AND u.erased_at IS NULL
      AND EXISTS (SELECT FROM engagement g WHERE g.server_id = u.server_id AND g.user_id = u.id)
      AND NOT EXISTS (SELECT FROM tastes t WHERE t.server_id = u.server_id AND t.user_id = u.id AND t.space_id = s.id AND t.facet = 0
                      AND t.engagement_version = u.engagement_version)
"""


def faults(engine: Engine, server_id: int) -> list[str]:
    with engine.connect() as connection:
        found = [
            *_orphans(connection, server_id), *_unfinished_spaces(connection, server_id), *_left_over(connection),
            *_wrong_engagement(connection, server_id),
        ]  # fmt: skip
        connection.rollback()
    return found


def _orphans(connection: Connection, server_id: int) -> Iterator[str]:
    for table, column in connection.execute(text(COLUMNS), {"names": list(BELONGS_TO)}).all():
        # No model at all is written as model 0.
        sql = f"""
            SELECT count(*) FROM {table} t WHERE t.server_id = :id AND t.{column} IS NOT NULL AND t.{column} <> 0
            AND NOT EXISTS (SELECT FROM {BELONGS_TO[column]} o WHERE o.server_id = t.server_id AND o.id = t.{column})
        """
        n = _one(connection, sql, server_id)
        if n:
            yield f"{n} rows of {table} whose {column} is nobody's"


def _wrong_engagement(connection: Connection, server_id: int) -> Iterator[str]:
    """Recomputed from what was told, in a transaction that is rolled back."""
    kept = _engagement(connection, server_id)
    empty_table(connection, "engagement", "touched")
    connection.execute(text(PAIRS), {"id": server_id})
    connection.execute(text("DELETE FROM engagement WHERE server_id = :id"), {"id": server_id})
    roll_up_engagement(connection, server_id)
    n = len(kept ^ _engagement(connection, server_id))
    if n:
        yield f"{n} rows of engagement that are not what the plays say"


def _unfinished_spaces(connection: Connection, server_id: int) -> Iterator[str]:
    for status in ("building", "retired"):
        n = _one(connection, f"SELECT count(*) FROM spaces WHERE server_id = :id AND status = '{status}'", server_id)
        if n:
            yield f"{n} spaces are {status}"
    if n := _one(connection, TEXT_INCOMPLETE, server_id):
        yield f"{n} titles have no vector of their text"
    if n := _one(connection, LEARNED_INCOMPLETE, server_id):
        yield f"{n} titles that were watched have no vector of how"
    if n := _one(connection, TASTELESS, server_id):
        yield f"{n} people have no taste, or an old one, in a live space"


def _left_over(connection: Connection) -> Iterator[str]:
    sql = """
        SELECT datname FROM pg_database d
        WHERE datname LIKE 'palate_scratch_%' AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = d.datname)
    """
    for name in connection.execute(text(sql)).scalars():
        yield f"the database {name} is nobody's"


def _engagement(connection: Connection, server_id: int) -> set[Any]:
    return set(connection.execute(text("SELECT CAST(g AS text) FROM engagement g WHERE server_id = :id"), {"id": server_id}).scalars())


def _one(connection: Connection, sql: str, server_id: int) -> int:
    return int(connection.execute(text(sql), {"id": server_id}).scalar_one())
