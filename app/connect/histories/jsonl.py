"""Palate's own lines: an item, a user, a play or a signal each, or a body of many, as POST /ingest takes them."""

from collections.abc import Iterator
from typing import Any

import orjson

from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS
from app.connect.histories.bring import Begin, Seen, note, pages
from app.connect.histories.files import HistoryFile, lines
from app.connect.histories.tally import Tally
from app.connect.histories.told import Unread
from app.db import Connection, Engine, ingest
from app.db.imports import import_source

# In the order in which they are written: what names another comes after it.
READERS: dict[str, Any] = {"items": ITEMS, "users": USERS, "plays": PLAYS, "signals": SIGNALS}
# A line is of the first kind of which it has the field.
FIELDS = {"play_id": "plays", "kind": "signals", "type": "items", "user_id": "users"}

Line = tuple[str, str, Any]


def bring_lines(engine: Engine, server_id: int, file: HistoryFile, begin: Begin, tally: Tally, seen: Seen) -> None:
    """`begin` None: only look whether they can be read."""
    for page in pages(_lines(file)):
        tally.n_read += len(page)
        read = [(kind, *_read(kind, page, tally)) for kind in READERS]
        for unread in (line for line in page if isinstance(line, Unread)):
            tally.refuse(unread)
        if begin is None:
            tally.kinds.update({kind: len(rows) for kind, rows, _ in read})
        elif any(rows for _, rows, _ in read):
            with engine.begin() as connection:
                import_id = begin(connection)
                for kind, rows, places in read:
                    if rows:
                        note(kind, _write(connection, server_id, kind, rows, import_id), places, tally)
        seen(tally.n_read)


def _lines(file: HistoryFile) -> Iterator[Line | Unread]:
    for _, stream in file.streams():
        for line in lines(stream):
            if isinstance(line, Unread):
                yield line
            elif line[1].strip():
                yield from _parsed(f"line {line[0]}", line[1])


def _parsed(place: str, line: str) -> Iterator[Line | Unread]:
    try:
        content = orjson.loads(line)
    except (ValueError, RecursionError):
        yield Unread(place, "is no JSON")
        return
    if not isinstance(content, dict):
        yield Unread(place, "is no object")
        return
    bodies = [(kind, content[kind]) for kind in READERS if isinstance(content.get(kind), list)]
    if bodies and content.keys() <= {*READERS, "server_id"}:
        for kind, rows in bodies:
            yield from ((f"{place}, {kind} {number}", kind, row) for number, row in enumerate(rows, start=1))
        return
    found = next((kind for field, kind in FIELDS.items() if field in content), None)
    yield Unread(place, "is neither an item, a user, a play nor a signal") if found is None else (place, found, content)


def _read(kind: str, page: list[Line | Unread], tally: Tally) -> tuple[list[Any], list[str]]:
    """The rows of a kind, and the place of each."""
    own = [(line[0], line[2]) for line in page if not isinstance(line, Unread) and line[1] == kind]
    rows, indexes, rejected = READERS[kind].read([body for _, body in own])
    for rejection in rejected:
        tally.refuse(Unread(own[rejection.index][0], rejection.error))
    return rows, [own[index][0] for index in indexes]


def _write(connection: Connection, server_id: int, kind: str, rows: list[Any], import_id: int) -> Any:
    source = import_source("jsonl")
    if kind == "items":
        return ingest.ingest_items(connection, server_id, rows)
    if kind == "users":
        return ingest.ingest_users(connection, server_id, rows)
    write = ingest.ingest_plays if kind == "plays" else ingest.ingest_signals
    return write(connection, server_id, source, rows, import_id)
