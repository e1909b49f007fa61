"""What a media server tells, written in bulk: staged by COPY, then a fixed number of statements, whatever the number of rows.

Each function runs in the caller's transaction, which must come from a working engine. Sending the same rows
again changes nothing, and the rows that stand at the end do not depend on the order in which they came.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from app.db.arrays import copying
from app.db.statements import statement
from app.db.versions import touch_catalogue
from app.errors import NotReady
from app.ingest_types import EntryRow, IngestOutcome, PlayRow, Rejection, SignalRow, UserRow

# Below this many staged rows the planner's guess is good enough, and ANALYZE would cost more than it saves.
ANALYZE_FROM = 500

ERASED = "this user was erased and is not taken back"
TAKEN = "this id belongs to another user or item already"


def ingest_items(connection: Connection, server_id: int, rows: Sequence[EntryRow]) -> IngestOutcome:
    """Store entries and map them to items. Of rows with one `external_id` the last stands."""
    latest = {row.external_id: row for row in rows}
    server = {"server_id": server_id}
    connection.execute(statement("items", "lock_exclusive"), server)
    for table in ("staged_entries", "changed", "related", "moved", "title_identities"):
        empty_table(connection, "items", table)
    stage(connection, "staged_entries", map(fields, latest.values()), len(latest))
    for name in ("name_libraries", "name_entries", "find_changed"):
        connection.execute(statement("items", name), server)
    counts = connection.execute(statement("items", "count_changed")).one()
    if counts.created or counts.updated:
        connection.execute(text("ANALYZE changed"))
        _remap_items(connection, server_id)
    changed = counts.created + counts.updated
    return IngestOutcome(len(rows), counts.created, counts.updated, len(rows) - changed)


def _remap_items(connection: Connection, server_id: int) -> None:
    server = {"server_id": server_id}
    # Before and after the write: what an entry shared its ids with, and what it shares them with now.
    for name in ("relate_changed", "write_entries", "relate_changed"):
        connection.execute(statement("items", name), server)
    connection.execute(text("ANALYZE related"))
    for name in ("identify_titles", "name_items", "move_titles", "move_parts"):
        connection.execute(statement("items", name), server)
    connection.execute(text("ANALYZE moved"))
    empty_table(connection, "engagement", "touched")
    for name in ("describe_items", "drop_empty_items", "orphan_parts", "touch_engagement"):
        connection.execute(statement("items", name), server)
    roll_up_engagement(connection, server_id)
    touch_catalogue(connection, server_id)


def delete_marked(connection: Connection, server_id: int, now: datetime) -> int:
    """Mark the entries of the `staged_ids` table as gone, and describe their items anew. Returns how many were there."""
    for table in ("changed", "moved"):
        empty_table(connection, "items", table)
    connection.execute(statement("missing", "delete_entries"), {"server_id": server_id, "now": now})
    counts = connection.execute(statement("items", "count_changed")).one()
    if counts.updated:
        connection.execute(text("ANALYZE changed"))
        connection.execute(statement("items", "describe_items"), {"server_id": server_id})
        touch_catalogue(connection, server_id)
    return int(counts.updated)


def ingest_users(connection: Connection, server_id: int, rows: Sequence[UserRow]) -> IngestOutcome:
    """Store users and their access. Of rows with one `external_id` the last stands; erased users are refused."""
    server = {"server_id": server_id}
    position = {row.external_id: index for index, row in enumerate(rows)}
    connection.execute(statement("plays", "lock_shared"), server)
    empty_table(connection, "users", "staged_users")
    stage(connection, "staged_users", [(index, *fields(rows[index])) for index in position.values()], len(position))
    names = {"staged": "staged_users"}
    for name in ("name_users", "lock_users"):
        connection.execute(_formatted(name, names), server)
    rejected = _rejections(connection, "refuse_erased", ERASED, server, names)
    connection.execute(statement("users", "name_libraries"), server)
    counts = connection.execute(statement("users", "write_users"), server).one()
    for name in ("leave_libraries", "join_libraries"):
        connection.execute(statement("users", name), server)
    if counts.updated:
        # Whoever opts out is counted no more in what is said to others.
        touch_catalogue(connection, server_id)
    changed = counts.created + counts.updated
    return IngestOutcome(len(rows), counts.created, counts.updated, len(rows) - changed - len(rejected), rejected)


def ingest_plays(
    connection: Connection, server_id: int, source: str, rows: Sequence[PlayRow], import_id: int | None = None
) -> IngestOutcome:
    """Store plays and roll them up. Rows of one `source_key` are one play, of which the most that was said stands.

    Plays of users or items that are not known yet are kept, and count once these arrive. `import_id`: the import that brings them.
    """
    return _ingest_evidence(connection, server_id, source, rows, import_id, staged="staged_plays", stored="plays", write="write_plays")


def ingest_signals(
    connection: Connection, server_id: int, source: str, rows: Sequence[SignalRow], import_id: int | None = None
) -> IngestOutcome:
    """Store signals and roll them up. Of rows with one `source_key` the last stands. `import_id`: the import that brings them."""
    return _ingest_evidence(
        connection, server_id, source, rows, import_id, staged="staged_signals", stored="signals", write="write_signals"
    )


def _ingest_evidence(
    connection: Connection,
    server_id: int,
    source: str,
    rows: Sequence[PlayRow | SignalRow],
    import_id: int | None,
    *,
    staged: str,
    stored: str,
    write: str,
) -> IngestOutcome:
    server = {"server_id": server_id}
    names = {"staged": staged, "stored": stored}
    standing, rejected = _settle_repeats(rows, keep_all=stored == "plays")
    connection.execute(statement("plays", "lock_shared"), server)
    empty_table(connection, "plays", staged)
    empty_table(connection, "engagement", "touched")
    stage(connection, staged, [(index, *fields(rows[index])) for index in standing], len(standing))
    for name in ("name_users", "name_entries", "lock_users"):
        connection.execute(_formatted(name, names), server)
    rejected += _rejections(connection, "refuse_erased", ERASED, server, names)
    rejected += _rejections(connection, "refuse_taken", TAKEN, server | {"source": source}, names)
    came = server | {"source": source, "import_ids": None if import_id is None else [import_id]}
    counts = connection.execute(statement("plays", write), came).one()
    if import_id is not None:
        connection.execute(_formatted("add_import", names), came)
    roll_up_engagement(connection, server_id)
    changed = counts.created + counts.updated
    rejected.sort(key=lambda rejection: rejection.index)
    return IngestOutcome(len(rows), counts.created, counts.updated, len(rows) - changed - len(rejected), rejected)


def roll_up_engagement(connection: Connection, server_id: int) -> None:
    """Recompute the engagement of the pairs in the `touched` table from what is stored."""
    connection.execute(text("ANALYZE touched"))
    connection.execute(statement("engagement", "roll_up"), {"server_id": server_id})


def _settle_repeats(rows: Sequence[PlayRow | SignalRow], *, keep_all: bool) -> tuple[list[int], list[Rejection]]:
    """Indexes to stage. A key names one user and one entry; a row that contradicts an earlier one is refused."""
    first: dict[str, tuple[str, str]] = {}
    last: dict[str, int] = {}
    standing: list[int] = []
    rejected: list[Rejection] = []
    for index, row in enumerate(rows):
        about = (row.user_external_id, row.entry_external_id)
        if first.setdefault(row.source_key, about) != about:
            rejected.append(Rejection(index, TAKEN))
        else:
            standing.append(index)
            last[row.source_key] = index
    return (standing if keep_all else list(last.values())), rejected


def empty_table(connection: Connection, file: str, table: str) -> None:
    connection.execute(statement(file, f"create_{table}"))
    connection.execute(text(f"DELETE FROM {table}"))  # a second call in one transaction finds the first one's rows


def stage_texts(connection: Connection, file: str, table: str, values: Collection[str]) -> None:
    """Fill a table of one column."""
    empty_table(connection, file, table)
    stage(connection, table, ([value] for value in values), len(values))


def stage(connection: Connection, table: str, rows: Iterable[Sequence[Any]], n_rows: int) -> None:
    try:
        with copying(connection, f"COPY {table} FROM STDIN", {}) as copy:
            for row in rows:
                copy.write_row(row)
    except OperationalError:
        raise NotReady from None
    if n_rows >= ANALYZE_FROM:
        connection.execute(text(f"ANALYZE {table}"))


def _rejections(connection: Connection, name: str, error: str, parameters: dict[str, Any], names: dict[str, str]) -> list[Rejection]:
    return [Rejection(int(index), error) for index in connection.execute(_formatted(name, names), parameters).scalars()]


def _formatted(name: str, names: dict[str, str]) -> Any:
    """Table names can't be bound; these come from this file alone."""
    return text(statement("plays", name).text.format(**names))


def fields(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row.__slots__)
