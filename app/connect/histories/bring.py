"""Brings a foreign history in: page by page, each a transaction, so that one that was killed is begun again and ends in the same rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from app.connect.bodies import source_key
from app.connect.histories.people import Whose
from app.connect.histories.tally import Tally
from app.connect.histories.told import Told, Unread
from app.db import Connection, Engine
from app.db.imports import import_source
from app.db.ingest import ingest_plays, ingest_signals
from app.db.matching import match_titles
from app.ingest_types import Fault, IngestOutcome, Match, PlayRow, SignalRow, Wanted
from app.types import Server

PER_PAGE = 10_000
# Of the reasons why no meaning of a title fits, the one that says most.
FAULTS: Sequence[Fault] = ("ambiguous episode", "ambiguous title", "unknown episode", "unknown title")

# The id of the import, once there is something to bring; None: only look.
Begin = Callable[[Connection], int] | None
Seen = Callable[[int], None]
T = TypeVar("T")


def bring(
    engine: Engine, server: Server, kind: str, rows: Iterable[Told | Unread], whose: Whose, begin: Begin, tally: Tally, seen: Seen
) -> None:
    """Raises what reading raises; the pages before are kept."""
    for page in pages(rows):
        tally.n_read += len(page)
        told = []
        for row in page:
            if isinstance(row, Unread):
                tally.refuse(row)
            else:
                told.append(row)
        if told:
            with engine.begin() as connection:
                plays, signals = _find(connection, server, told, whose, tally)
                if begin is not None:
                    _write(connection, server, kind, plays, signals, begin(connection), tally)
                else:
                    tally.kinds.update(plays=len(plays), signals=len(signals))
        seen(tally.n_read)


def pages(rows: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(rows)
    while page := list(islice(waiting, PER_PAGE)):
        yield page


def _find(
    connection: Connection, server: Server, page: Sequence[Told], whose: Whose, tally: Tally
) -> tuple[dict[PlayRow, str], dict[SignalRow, str]]:
    """The rows that are known to be about somebody and something here, each with its place."""
    wanted = list(dict.fromkeys(one for told in page for one in told.wanted))
    matches = dict(zip(wanted, match_titles(connection, server.id, wanted), strict=True))
    plays: dict[PlayRow, str] = {}
    signals: dict[SignalRow, str] = {}
    for told in page:
        user = whose.ours(told.people)
        if user is None:
            tally.miss_person(told)
            continue
        match = the_one(told, matches)
        tally.settle(told, match)
        if match.entry is None:
            continue
        # Named by all that was said: what another file says of the same is a row of its own, and goes with that file alone. Two rows of one
        # sitting overlap, and are one.
        said = (user, told.key, told.at, told.played_seconds, told.percent, told.is_completed, told.signal, told.value)
        key = source_key(repr(said))
        if told.signal is not None:
            signals[SignalRow(key, user, match.entry, told.signal, told.value, told.at, None, None)] = told.place
        else:
            row = PlayRow(key, user, match.entry, told.at, None, told.played_seconds, told.percent, told.is_completed, None)
            plays[row] = told.place
    return plays, signals


def the_one(told: Told, matches: Mapping[Wanted, Match]) -> Match:
    """What a row is about, of all that it may mean; where that is more than one thing, none."""
    found = {matches[one].entry: matches[one] for one in told.wanted if matches[one].entry is not None}
    if len(found) == 1:
        return next(iter(found.values()))
    faults = {matches[one].fault for one in told.wanted} | ({"ambiguous title"} if found else set())
    return Match(None, None, next(fault for fault in FAULTS if fault in faults))


def _write(
    connection: Connection, server: Server, kind: str, plays: Mapping[PlayRow, str], signals: Mapping[SignalRow, str], import_id: int,
    tally: Tally,
) -> None:  # fmt: skip
    source = import_source(kind)
    if plays:
        note("plays", ingest_plays(connection, server.id, source, list(plays), import_id), list(plays.values()), tally)
    if signals:
        note("signals", ingest_signals(connection, server.id, source, list(signals), import_id), list(signals.values()), tally)


def note(kind: str, outcome: IngestOutcome, places: Sequence[str], tally: Tally) -> None:
    tally.store(kind, outcome)
    for rejection in outcome.rejected:
        tally.refuse(Unread(places[rejection.index], rejection.error))
