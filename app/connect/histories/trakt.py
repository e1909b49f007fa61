"""Trakt: history, watched, ratings and watchlist, as its API answers them and its exports hold them, one file or a zip of many."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePath
from typing import Any

from app.connect.histories.files import HistoryFile, read_json
from app.connect.histories.strict import Row, UnreadableError, identifier, mapping, moment, whole, words, year
from app.connect.histories.told import Told, Unread
from app.errors import BadInput
from app.ingest_types import Wanted
from app.types import EntryKind

TIMES = ("watched_at", "last_watched_at", "rated_at", "listed_at")


def read_trakt(file: HistoryFile) -> Iterator[Told | Unread]:
    n_lists = 0
    for name, stream in file.streams():
        if not name.lower().removesuffix(".gz").endswith(".json"):
            continue
        rows = read_json(name, stream)
        # An export also holds the profile, friends, comments and the like.
        if isinstance(rows, list) and any(isinstance(row, dict) and any(time in row for time in TIMES) for row in rows):
            n_lists += 1
            for place, row in enumerate(rows, start=1):
                yield from _read_row(f"{PurePath(name).name}, row {place}", row)
    if n_lists == 0:
        raise BadInput(f"{file.name} is no export of Trakt: it has neither a history nor what was watched, rated or put on the watchlist.")


def _read_row(place: str, row: Any) -> Iterator[Told | Unread]:
    try:
        row = mapping(row, "the row")
        if "seasons" in row:
            yield from _episodes(place, row)
        else:
            yield _told(place, row)
    except UnreadableError as error:
        yield Unread(place, str(error))


def _told(place: str, row: Row) -> Told:
    wanted = _wanted(row)
    if "rated_at" in row:
        value = whole(row, "rating", 1, 10)
        if value is None:
            raise UnreadableError("has no rating")
        return Told(place, f"{_name(wanted)} rated", (), (wanted,), moment(row, "rated_at"), signal="rating", value=value)
    if "listed_at" in row:
        return Told(place, f"{_name(wanted)} listed", (), (wanted,), moment(row, "listed_at"), signal="watchlist", value=1)
    if wanted.kind == "series":
        raise UnreadableError("says of a series that it was watched, but not which episodes")
    at = moment(row, "watched_at") if "watched_at" in row else _last(row)
    return Told(place, _name(wanted), (), (wanted,), at)


def _episodes(place: str, row: Row) -> Iterator[Told | Unread]:
    """Of a watched series each episode the last time: of those before nothing but their number is told, so that they can't be told from
    what other sources know of them."""
    seasons, series = row["seasons"], _title("series", mapping(row.get("show"), "show"))
    for season in seasons if isinstance(seasons, list) else ():
        episodes = season.get("episodes") if isinstance(season, dict) else None
        for episode in episodes if isinstance(episodes, list) else ():
            try:
                wanted = _part(series, whole(season, "number"), whole(mapping(episode, "an episode"), "number"), None)
                yield Told(place, _name(wanted), (), (wanted,), _last(episode))
            except UnreadableError as error:
                yield Unread(place, str(error))


def _last(row: Row) -> datetime | None:
    if whole(row, "plays") == 0:
        raise UnreadableError("was never watched")
    return moment(row, "last_watched_at")


def _wanted(row: Row) -> Wanted:
    kind = words(row, "type") or next((name for name in ("episode", "season", "movie", "show") if name in row), None)
    if kind == "movie":
        return _title("movie", mapping(row.get("movie"), "movie"))
    if kind == "show":
        return _title("series", mapping(row.get("show"), "show"))
    if kind != "episode":
        raise UnreadableError("is neither a film, a series nor an episode")
    episode = mapping(row.get("episode"), "episode")
    series = _title("series", mapping(row.get("show"), "show"))
    return _part(series, whole(episode, "season"), whole(episode, "number"), words(episode, "title"))


def _title(kind: EntryKind, title: Row) -> Wanted:
    ids = mapping(title.get("ids") or {}, "ids")
    tmdb, imdb, tvdb = (identifier(ids, name) for name in ("tmdb", "imdb", "tvdb"))
    name = words(title, "title")
    if not (name or tmdb or imdb or tvdb):
        raise UnreadableError("has neither a title nor an id")
    return Wanted(kind, name, year(title, "year"), tmdb=tmdb, imdb=imdb and imdb.lower(), tvdb=tvdb)


def _part(series: Wanted, season: int | None, number: int | None, name: str | None) -> Wanted:
    if season is None or number is None:
        raise UnreadableError("is an episode without its numbers")
    return Wanted(
        "episode",
        series.name,
        series.year,
        tmdb=series.tmdb,
        imdb=series.imdb,
        tvdb=series.tvdb,
        season=season,
        episode=number,
        part_name=name,
    )


def _name(wanted: Wanted) -> str:
    """By what Trakt calls it. When and how is added where it is stored."""
    title = wanted.tmdb or wanted.imdb or wanted.tvdb or f"{wanted.name} ({wanted.year})"
    return f"{wanted.kind} {title} {wanted.season} {wanted.episode}"
