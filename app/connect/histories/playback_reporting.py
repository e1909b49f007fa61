"""The backup of the plugin Playback Reporting, of Jellyfin or Emby: nine columns without a head, between tabs, or between commas."""

import csv
import re
from collections.abc import Iterator
from datetime import tzinfo

from app.connect.histories.files import HistoryFile, lines
from app.connect.histories.strict import Row, UnreadableError, identifier, moment, whole, words
from app.connect.histories.told import Told, Unread
from app.connect.lenient import plain_id
from app.ingest_types import Wanted

COLUMNS = ("DateCreated", "UserId", "ItemId", "ItemType", "ItemName", "PlaybackMethod", "ClientName", "DeviceName", "PlayDuration")
EPISODE = re.compile(r"^(?P<series>.+) - s(?P<season>\d{1,4})e(?P<episode>\d{1,5})(?: - (?P<name>.+))?$", re.IGNORECASE)


def read_playback_reporting(file: HistoryFile, zone: tzinfo | None) -> Iterator[Told | Unread]:
    """It writes times of the media server's clock, without saying which zone that is in: `zone`, None: the machine's."""
    for _, stream in file.streams():
        for line in lines(stream):
            if isinstance(line, Unread):
                yield line
            elif line[1].strip() and not line[1].lower().startswith(("datecreated", '"datecreated', "rowid")):
                try:
                    yield _told(f"line {line[0]}", _fields(line[1]), zone)
                except UnreadableError as error:
                    yield Unread(f"line {line[0]}", str(error))


def _fields(line: str) -> Row:
    try:
        fields = line.split("\t") if "\t" in line else next(csv.reader([line]))
    except csv.Error as error:
        raise UnreadableError(str(error)) from None
    # A query of its whole table has the number of the row before the rest.
    fields = fields[1:] if len(fields) == len(COLUMNS) + 1 else fields
    if len(fields) != len(COLUMNS):
        raise UnreadableError(f"has {len(fields)} columns in place of {len(COLUMNS)}")
    return dict(zip(COLUMNS, fields, strict=True))


def _told(place: str, row: Row, zone: tzinfo | None) -> Told:
    user = identifier(row, "UserId")
    if user is None:
        raise UnreadableError("UserId is missing")
    at, wanted = moment(row, "DateCreated", zone), _wanted(row)
    if at is None:
        raise UnreadableError("DateCreated is missing")
    return Told(
        place, f"{user} {wanted.own_id}", (plain_id(user) or user,), (wanted,), at, played_seconds=whole(row, "PlayDuration") or None
    )


def _wanted(row: Row) -> Wanted:
    item, name, kind = identifier(row, "ItemId"), words(row, "ItemName"), words(row, "ItemType")
    # Emby's ids are numbers, which another server may have given to something else.
    own, is_sure = (plain_id(item), True) if plain_id(item) else (item, False)
    if kind == "Movie":
        return Wanted("movie", name, own_id=own, is_sure=is_sure)
    if kind != "Episode":
        raise UnreadableError("is neither a film nor an episode")
    parts = EPISODE.match(name or "")
    if parts is None:
        return Wanted("episode", None, own_id=own, is_sure=is_sure)
    return Wanted(
        "episode", parts["series"], own_id=own, is_sure=is_sure, season=int(parts["season"]), episode=int(parts["episode"]),
        part_name=parts["name"],
    )  # fmt: skip
