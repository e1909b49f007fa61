"""An import: what a file or another server holds, read into rows and written in chunks.

Each chunk is one transaction, and the same import run again changes nothing, so one that was killed is started again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from app.db import Connection, Engine, ingest
from app.ingest_types import EntryRow, IngestOutcome, PlayRow, SignalRow, UserRow
from app.types import Progress

ITEMS_PER_CHUNK = 10_000
EVIDENCE_PER_CHUNK = 100_000

Row = TypeVar("Row", EntryRow, UserRow, PlayRow, SignalRow)


@dataclass(frozen=True)
class Import:
    """`source` names the door; `rejected` says which lines could not be read, and why."""

    source: str
    items: Sequence[EntryRow]
    users: Sequence[UserRow]
    plays: Sequence[PlayRow] = ()
    signals: Sequence[SignalRow] = ()
    rejected: Sequence[str] = field(default_factory=tuple)


def run_import(engine: Engine, server_id: int, data: Import, progress: Progress) -> dict[str, IngestOutcome]:
    """Write everything; answers what became of the items, users, plays and signals."""
    total = len(data.items) + len(data.users) + len(data.plays) + len(data.signals)
    done = 0

    def write(rows: Sequence[Row], size: int, call: Callable[[Connection, Sequence[Row]], IngestOutcome]) -> IngestOutcome:
        nonlocal done
        outcomes = []
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            with engine.begin() as connection:
                outcomes.append(call(connection, chunk))
            done += len(chunk)
            progress(done, total)
        return _sum(outcomes)

    return {
        "items": write(data.items, ITEMS_PER_CHUNK, lambda connection, rows: ingest.ingest_items(connection, server_id, rows)),
        "users": write(data.users, ITEMS_PER_CHUNK, lambda connection, rows: ingest.ingest_users(connection, server_id, rows)),
        "plays": write(
            data.plays, EVIDENCE_PER_CHUNK, lambda connection, rows: ingest.ingest_plays(connection, server_id, data.source, rows)
        ),
        "signals": write(
            data.signals, EVIDENCE_PER_CHUNK, lambda connection, rows: ingest.ingest_signals(connection, server_id, data.source, rows)
        ),
    }


def _sum(outcomes: Sequence[IngestOutcome]) -> IngestOutcome:
    def add(name: str) -> int:
        return sum(getattr(outcome, name) for outcome in outcomes)

    rejected = tuple(rejection for outcome in outcomes for rejection in outcome.rejected)
    return IngestOutcome(add("received"), add("created"), add("updated"), add("unchanged"), rejected)
