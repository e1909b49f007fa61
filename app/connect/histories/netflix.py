"""Netflix' list of what was watched (NetflixViewingHistory.csv): a title and a day. Whether it was watched to its end is not told."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Literal

from app.connect.histories.files import HistoryFile, lines
from app.connect.histories.strict import UnreadableError, plain, possible
from app.connect.histories.told import Told, Unread
from app.errors import BadInput
from app.ingest_types import Wanted

Dates = Literal["day-first", "month-first"]
DATE = re.compile(r"^\s*(\d{1,4})\.?([\s./-])\s*(\d{1,2})\.?[\s./-]\s*(\d{1,4})\.?\s*$")
SEASON = re.compile(
    r"^(?:season|series|part|volume|vol\.?|book|chapter|staffel|teil|band|buch|saison|partie|temporada|parte|stagione|seizoen|deel|"
    r"säsong|sæson|sesong|kausi|sezon|série|évad|sezonul)\s+(\d{1,3})$",
    re.IGNORECASE,
)
NUMBER = re.compile(r"^(?:episode|folge|épisode|episodio|episódio|aflevering|avsnitt|odcinek)\s+(\d{1,4})$", re.IGNORECASE)
# "Show: Season: Episode", where each of them may hold a colon itself.
MOST_PARTS = 6


def read_netflix(file: HistoryFile, zone: tzinfo | None, dates: Dates | None) -> Iterator[Told | Unread]:
    """A day is its noon in `zone`, None: the machine's. Raises BadInput where its days can be read in two ways and `dates` says neither."""
    order = dates or _order_of(file)
    for place, title, date in _rows(file):
        try:
            if isinstance(title, Unread):
                yield title
            elif (name := plain(title, "the title")) is None:
                raise UnreadableError("has no title")
            else:
                at = possible(_day(date, order).replace(hour=12, tzinfo=zone).astimezone(UTC), "the date")
                yield Told(place, name, (), tuple(_meanings(name)), at)
        except UnreadableError as error:
            yield Unread(place, str(error))


def _rows(file: HistoryFile) -> Iterator[tuple[str, str | Unread, str]]:
    for _, stream in file.streams():
        for line in lines(stream):
            if isinstance(line, Unread):
                yield line.place, line, ""
                continue
            number, content = line
            try:
                fields = next(csv.reader([content]), [])
            except csv.Error as error:
                yield f"line {number}", Unread(f"line {number}", str(error)), ""
                continue
            if not fields or (number == 1 and len(fields) == 2 and not DATE.match(fields[1])):
                continue
            if len(fields) == 2:
                yield f"line {number}", fields[0], fields[1]
            else:
                yield f"line {number}", Unread(f"line {number}", "is no title and date"), ""


def _order_of(file: HistoryFile) -> Dates:
    fits: set[Dates] = {"day-first", "month-first"}
    n_days = 0
    for _, _, date in _rows(file):
        found = DATE.match(date)
        if found is None or len(found[1]) == 4:
            continue
        n_days += 1
        # Nobody writes month.day.year.
        of_row: set[Dates] = {"day-first"} if found[2] == "." else {order for order in ("day-first", "month-first") if _is_day(date, order)}
        fits &= of_row or fits
        if len(fits) == 1:
            return fits.pop()
    if n_days and len(fits) == 2:
        raise BadInput(f"{file.name}: its days can be read as day/month and as month/day. Say which with --dates.")
    return "day-first"


def _is_day(date: str, order: Dates) -> bool:
    try:
        _day(date, order)
    except UnreadableError:
        return False
    return True


def _day(date: str, order: Dates) -> datetime:
    found = DATE.match(date)
    if found is None:
        raise UnreadableError("has no date that can be read")
    first, second, third = int(found[1]), int(found[3]), int(found[4])
    if len(found[1]) == 4:
        year, month, day = first, second, third
    else:
        day, month = (first, second) if order == "day-first" else (second, first)
        year = third if len(found[4]) == 4 else 2000 + third
    try:
        return datetime(year, month, day)
    except ValueError:
        raise UnreadableError("has no date that can be") from None


def _meanings(title: str) -> Iterator[Wanted]:
    """A film, or an episode of a series, with or without its season between. Which it is, is what is found."""
    yield Wanted("movie", title)
    parts = [part for part in title.split(": ", MOST_PARTS - 1) if part]
    for cut in range(1, len(parts)):
        series = ": ".join(parts[:cut])
        yield Wanted("episode", series, part_name=": ".join(parts[cut:]))
        season = SEASON.match(parts[cut])
        for first in range(cut + 1, len(parts)):
            name = ": ".join(parts[first:])
            number = int(season[1]) if season and first == cut + 1 else None
            yield Wanted("episode", series, season=number, part_name=name)
            if number is not None and (episode := NUMBER.match(name)):
                yield Wanted("episode", series, season=number, episode=int(episode[1]))
