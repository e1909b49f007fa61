"""What is told while it happens, taken into the rows: in the caller's transaction, as a sync or a script would have written it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.connect.bodies import PLAYS, SIGNALS, Reader, source_key
from app.connect.news import Ignored, LibraryNews, News, Report, Said
from app.connect.sitting import advance, begun_by
from app.connect.states import signal_body, subject
from app.db import Connection
from app.db.connections import is_connected
from app.db.ingest import ingest_plays, ingest_signals
from app.db.live import doubt_entry, hold_sitting, put_sitting
from app.db.queue import queued_or_enqueued
from app.db.standing import standing_signals
from app.ingest_types import IngestOutcome, Sitting
from app.types import Server, ServerKind

# Of plays that are told while they last. What a media server keeps of them comes under its own kind, and what overlaps is one sitting.
SOURCE = "live"
# A library that is being filled tells of each title. Those that come while a sync waits are read by it.
SYNC_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Taken:
    """`what` became of it; `reason` where nothing did. `user_id`: whose next answer is to know of it."""

    what: str
    reason: str | None = None
    user_id: str | None = None


def take(connection: Connection, server: Server, kind: ServerKind, news: News, now: datetime) -> Taken:
    """`kind` of the media server that tells it. The connection is a working engine's."""
    match news:
        case Report():
            return _take_report(connection, server, news, now)
        case Said():
            return _take_said(connection, server, kind, news)
        case LibraryNews():
            return _take_library_news(connection, server, news, now)
        case Ignored(reason):
            return Taken("nothing", reason)


def _take_report(connection: Connection, server: Server, report: Report, now: datetime) -> Taken:
    key = source_key(repr((report.device, report.user_id, report.item_id)))
    before = hold_sitting(connection, server.id, key)
    after = advance(before, report)
    if after is None and is_connected(connection, server):
        # The media server knows when it began: its own record is read once it is over. Guessed here, it would be a sitting of its own.
        if report.what == "stop":
            _ask_for_sync(connection, server, now)
        return Taken("nothing", "when this began was not told")
    after = after or begun_by(report)
    if after == before:
        return Taken("nothing", "it says nothing new")
    plays, _, rejected = PLAYS.read([play_body(key, report, after)])
    outcome = ingest_plays(connection, server.id, SOURCE, plays) if plays else None
    reasons = [one.error for one in (*rejected, *(outcome.rejected if outcome else ()))]
    if reasons:
        return Taken("nothing", reasons[0])
    put_sitting(connection, server.id, key, report.user_id, after)
    return Taken("play", user_id=report.user_id)


def play_body(key: str, report: Report, sitting: Sitting) -> dict[str, Any]:
    """At its start nothing is known but that it began."""
    # The database may tell it in another zone than the first report did, and by it the play is named.
    began = sitting.started_at.astimezone(UTC).isoformat()
    return {
        "play_id": f"{key}:{began}", "user_id": report.user_id, "item_id": report.item_id,
        "started_at": began, "played_seconds": sitting.watched_seconds or None,
        "percent": None if report.what == "start" else report.percent, "completed": report.is_completed,
    }  # fmt: skip


def _take_said(connection: Connection, server: Server, source: str, said: Said) -> Taken:
    standing = standing_signals(connection, server.id, source, said.user_id)
    told = {subject(signal["kind"]) for signal in said.signals}
    lost = {kind for item, kind in standing if item == said.item_id and subject(kind) in said.subjects - told}
    taken_back = [signal_body(said.user_id, said.item_id, kind, False) for kind in sorted(lost)]
    n_changed, reasons = 0, []
    for reader, bodies, ingest in ((PLAYS, said.plays, ingest_plays), (SIGNALS, [*said.signals, *taken_back], ingest_signals)):
        if bodies:
            outcome, refused = _write(connection, server, source, reader, bodies, ingest)
            n_changed += outcome.created + outcome.updated
            reasons += refused
    if n_changed:
        return Taken("signals", user_id=said.user_id)
    return Taken("nothing", reasons[0] if reasons else "it says nothing new")


def _write(
    connection: Connection, server: Server, source: str, reader: Reader[Any], bodies: Sequence[dict[str, Any]], ingest: Any
) -> tuple[IngestOutcome, list[str]]:
    rows, _, rejected = reader.read(bodies)
    outcome: IngestOutcome = ingest(connection, server.id, source, rows)
    return outcome, [one.error for one in (*rejected, *outcome.rejected)]


def _take_library_news(connection: Connection, server: Server, news: LibraryNews, now: datetime) -> Taken:
    """A webhook's word neither makes a title nor ends one: the media server is asked."""
    if not is_connected(connection, server):
        return Taken("nothing", "this server is not connected, so its library is what is sent of it")
    if news.gone is not None and not doubt_entry(connection, server.id, news.gone):
        return Taken("nothing", "it says nothing new")
    _ask_for_sync(connection, server, now)
    return Taken("sync")


def _ask_for_sync(connection: Connection, server: Server, now: datetime) -> None:
    queued_or_enqueued(connection, "sync-library", server.id, None, now, SYNC_AFTER)
