"""Streamystats' backup of its sessions."""

from collections.abc import Iterator

from app.connect.histories.files import HistoryFile, read_json
from app.connect.histories.strict import Row, UnreadableError, flag, identifier, mapping, moment, number, whole, words
from app.connect.histories.told import Told, Unread
from app.connect.lenient import plain_id
from app.errors import BadInput
from app.ingest_types import Wanted


def read_streamystats(file: HistoryFile) -> Iterator[Told | Unread]:
    for name, stream in file.streams():
        content = read_json(name, stream)
        sessions = content.get("sessions") if isinstance(content, dict) else content
        if not isinstance(sessions, list) or (sessions and not any(isinstance(row, dict) and "playDuration" in row for row in sessions)):
            raise BadInput(f"{name} is no backup of Streamystats: it has no sessions.")
        for place, row in enumerate(sessions, start=1):
            try:
                yield _told(f"session {place}", mapping(row, "the session"))
            except UnreadableError as error:
                yield Unread(f"session {place}", str(error))


def _told(place: str, row: Row) -> Told:
    if flag(row, "isInferred"):
        raise UnreadableError("was concluded from a mark, not played; the media server itself tells of the mark")
    people = [identifier(row, "userId"), words(row, "userName")]
    return Told(
        place, identifier(row, "id") or place, tuple(name for name in people if name), (_wanted(row),), moment(row, "startTime"),
        played_seconds=whole(row, "playDuration") or None,
        percent=number(row, "percentComplete", 0, 100),
        is_completed=flag(row, "completed"),
    )  # fmt: skip


def _wanted(row: Row) -> Wanted:
    item = plain_id(row.get("itemId"))
    if item is None:
        raise UnreadableError("itemId is no id of a Jellyfin")
    name, series = words(row, "itemName"), words(row, "seriesName")
    if series is None and row.get("seriesId") is None:
        # A film or a song: it does not say, so the id alone is asked for.
        return Wanted("movie", None, own_id=item, is_sure=True, part_name=name)
    return Wanted("episode", series, own_id=item, is_sure=True, series_own_id=plain_id(row.get("seriesId")), part_name=name)
