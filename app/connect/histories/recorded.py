"""An import from its beginning to its end, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.connect.histories.bring import Begin
from app.connect.histories.tally import Tally
from app.db import Connection, Engine, imports
from app.db.locks import only_one
from app.errors import BadInput, ImportUndone, UnknownImport
from app.types import Progress

PER_PAGE = 50_000


@dataclass(frozen=True)
class Recorded:
    """`id` None: nothing was written. `was_known`: the same was imported to its end before."""

    id: int | None
    was_known: bool


def record(
    engine: Engine, server_id: int, kind: str, name: str, digest: bytes, now: datetime, tally: Tally, work: Callable[[Begin], None]
) -> Recorded:
    """Do the work of an import, which begins with its first rows. Raises BadInput where there was nothing of use, AlreadyRunning, and what
    the work raises; what it wrote before stays, and goes on when it is begun again."""
    begun = Recorded(None, False)

    def begin(connection: Connection) -> int:
        nonlocal begun
        if begun.id is None:
            begun = Recorded(*imports.begin_import(connection, server_id, kind, name, digest, now))
        assert begun.id is not None
        return begun.id

    with only_one(engine, f"import {server_id}"):
        work(begin)
        check_useful(kind, name, tally)
        if begun.id is not None:
            with engine.begin() as connection:
                imports.end_import(connection, server_id, begun.id, tally.counts, now)
    return begun


def check_useful(kind: str, name: str, tally: Tally) -> None:
    """Raises BadInput where not one row could be read."""
    if tally.refused and tally.n_refused >= tally.n_read:
        first = tally.refused[0]
        raise BadInput(f"Nothing in {name} can be used as a history of {kind}: {first.place} {first.reason}.")


def undo_import(engine: Engine, server_id: int, import_id: int, now: datetime, progress: Progress) -> tuple[int, int]:
    """Take back the plays and signals that this import alone brought; how many went, and how many stay as another brought them too.

    Page by page: killed, and asked for again, it goes on. Raises UnknownImport, ImportUndone, AlreadyRunning.
    """
    n_gone = n_kept = 0
    with only_one(engine, f"import {server_id}"):
        with engine.begin() as connection:
            found = imports.list_imports(connection, server_id, import_id)
        if not found:
            raise UnknownImport
        if found[0].undone_at is not None:
            raise ImportUndone(f"Import {import_id} was taken back on {found[0].undone_at:%Y-%m-%d %H:%M}.")
        total = found[0].counts.get("n_plays", 0) + found[0].counts.get("n_signals", 0)
        for stored in ("plays", "signals"):
            after: str | None = ""
            while after is not None:
                with engine.begin() as connection:
                    page = imports.take_back(connection, server_id, found[0], stored, after or None, PER_PAGE)
                n_gone, n_kept, after = n_gone + page.n_gone, n_kept + page.n_kept, page.last_key
                progress(n_gone + n_kept, max(total, n_gone + n_kept))
        with engine.begin() as connection:
            imports.end_undo(connection, server_id, import_id, now)
    return n_gone, n_kept
