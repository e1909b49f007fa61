"""Jellystat's backup: one JSON of all tables, or since its newer versions a row a line."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.connect.histories.files import HistoryFile, lines, read_json
from app.connect.histories.strict import Row, UnreadableError, flag, identifier, mapping, moment, whole, words, year
from app.connect.histories.told import Told, Unread
from app.connect.lenient import plain_id
from app.errors import BadInput
from app.ingest_types import Wanted

PLAYS, ITEMS, EPISODES = "jf_playback_activity", "jf_library_items", "jf_library_episodes"


def read_jellystat(file: HistoryFile) -> Iterator[Told | Unread]:
    """Twice: what it says of its items is needed for all that was watched of them, and stands anywhere."""
    known: dict[str, Row] = {}
    n_tables = 0
    for _, table, row in _rows(file):
        n_tables += table.startswith("jf_")
        if table in (ITEMS, EPISODES) and isinstance(row, dict):
            known[plain_id(row.get("EpisodeId" if table == EPISODES else "Id")) or ""] = row
    if n_tables == 0:
        raise BadInput(f"{file.name} is no backup of Jellystat: it has none of its tables.")
    for place, table, row in _rows(file):
        if isinstance(row, Unread):
            yield row
        elif table == PLAYS:
            try:
                yield _told(place, mapping(row, "the row"), known)
            except UnreadableError as error:
                yield Unread(place, str(error))


def _rows(file: HistoryFile) -> Iterator[tuple[str, str, Any]]:
    """Place, table and row. A line that can't be read is a row of no table."""
    for name, stream in file.streams():
        if name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson")):
            yield from _rows_by_line(stream)
            continue
        tables = read_json(name, stream)
        for one in tables if isinstance(tables, list) else [tables]:
            for table, rows in one.items() if isinstance(one, dict) else ():
                yield from (
                    (f"{table}, row {number}", table, row) for number, row in enumerate(rows if isinstance(rows, list) else (), start=1)
                )


def _rows_by_line(stream: Any) -> Iterator[tuple[str, str, Any]]:
    for line in lines(stream):
        if isinstance(line, Unread):
            yield line.place, "", line
            continue
        place = f"line {line[0]}"
        try:
            content = orjson.loads(line[1]) if line[1].strip() else None
        except ValueError:
            yield place, "", Unread(place, "is no JSON")
            continue
        if isinstance(content, dict) and content.get("type") == "row":
            yield place, str(content.get("table")), content.get("data")
        elif content is not None and not (isinstance(content, dict) and content.get("type") == "table"):
            yield place, "", Unread(place, "is no row of a table")


def _told(place: str, row: Row, known: dict[str, Row]) -> Told:
    seconds, at = whole(row, "PlaybackDuration") or None, moment(row, "ActivityDateInserted")
    people = [identifier(row, "UserId"), words(row, "UserName")]
    return Told(
        place, words(row, "Id") or place, tuple(name for name in people if name), (_wanted(row, known),), _began(row, at, seconds),
        played_seconds=seconds,
    )  # fmt: skip


def _began(row: Row, at: datetime | None, seconds: int | None) -> datetime | None:
    """It writes when a sitting ended; of what it took over from Playback Reporting, when it began."""
    if at is None or seconds is None or flag(row, "imported"):
        return at
    try:
        return at - timedelta(seconds=seconds)
    except OverflowError:
        raise UnreadableError("PlaybackDuration is longer than can be") from None


def _wanted(row: Row, known: dict[str, Row]) -> Wanted:
    item, part = plain_id(row.get("NowPlayingItemId")), plain_id(row.get("EpisodeId"))
    if item is None or (part is None and row.get("EpisodeId")):
        raise UnreadableError("names no id of a Jellyfin")
    title = known.get(item, {})
    if part is None:
        if title.get("Type", "Movie") != "Movie":
            raise UnreadableError("is neither a film nor an episode")
        # Of what is no item of it, it does not say whether it was a film or a song: then the id alone is asked for.
        name = words(title, "Name")
        said = None if name else words(row, "NowPlayingItemName")
        return Wanted("movie", name, year(title, "ProductionYear"), own_id=item, is_sure=True, part_name=said)
    episode = known.get(part, {})
    return Wanted(
        "episode", words(title, "Name") or words(row, "SeriesName"), year(title, "ProductionYear"), own_id=part, is_sure=True,
        series_own_id=item, season=whole(episode, "ParentIndexNumber"), episode=whole(episode, "IndexNumber"),
        part_name=words(row, "NowPlayingItemName"),
    )  # fmt: skip
