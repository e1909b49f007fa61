"""Tautulli's history: the answer of its `get_history`, or a list of its rows."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from app.connect.histories.files import HistoryFile, read_json
from app.connect.histories.strict import Row, UnreadableError, epoch, identifier, mapping, number, whole, words, year
from app.connect.histories.told import Told, Unread
from app.errors import BadInput
from app.ingest_types import Wanted

# Plex's older agents name a film by one provider's id, and an episode by its series', season and number.
AGENTS = re.compile(r"^com\.plexapp\.agents\.(imdb|themoviedb|thetvdb)://(tt\d+|\d+)(?:/\d+/\d+)?(?:\?|$)")
WATCHED = {0.0: False, 0.25: False, 0.5: False, 0.75: False, 1.0: True}


def read_tautulli(file: HistoryFile) -> Iterator[Told | Unread]:
    for name, stream in file.streams():
        yield from read_rows(history_rows(read_json(name, stream), name))


def history_rows(answer: Any, name: str) -> Sequence[Any]:
    """Raises BadInput for what is no answer to `get_history`."""
    response = answer.get("response") if isinstance(answer, dict) else None
    if isinstance(response, dict) and response.get("result") == "error":
        raise BadInput(f"{name}: Tautulli answers with an error instead of its history.")
    found = answer
    for key in ("response", "data", "data"):
        found = found.get(key, found) if isinstance(found, dict) else found
    if not isinstance(found, list) or (found and not any(isinstance(row, dict) and "media_type" in row for row in found)):
        raise BadInput(f"{name} is no history of Tautulli: neither an answer to get_history nor a list of its rows.")
    return found


def read_rows(rows: Sequence[Any], first: int = 1) -> Iterator[Told | Unread]:
    for place, row in enumerate(rows, start=first):
        try:
            yield _told(f"row {place}", mapping(row, "the row"))
        except UnreadableError as error:
            yield Unread(f"row {place}", str(error))


def _told(place: str, row: Row) -> Told:
    if row.get("state") not in (None, "", "stopped"):
        raise UnreadableError("is still being played")
    if row.get("live") in (1, "1", True):
        raise UnreadableError("is live television")
    wanted = _wanted(row)
    people = [identifier(row, name) for name in ("user_id", "user", "friendly_name")]
    own = identifier(row, "row_id") or identifier(row, "id") or identifier(row, "reference_id") or repr(wanted)
    watched = number(row, "watched_status", 0, 1)
    return Told(
        place, own, tuple(name for name in people if name), (wanted,), epoch(row, "started") or epoch(row, "date"),
        played_seconds=whole(row, "duration") or None,
        percent=number(row, "percent_complete", 0, 100),
        is_completed=None if watched is None else WATCHED.get(watched),
    )  # fmt: skip


def _wanted(row: Row) -> Wanted:
    tmdb, imdb, tvdb = (_id_of(words(row, "guid") or "", agent) for agent in ("themoviedb", "imdb", "thetvdb"))
    own, title = identifier(row, "rating_key"), words(row, "title")
    if title is None:
        raise UnreadableError("has no title")
    if row.get("media_type") == "movie":
        return Wanted("movie", title, year(row, "year"), own_id=own, tmdb=tmdb, imdb=imdb, tvdb=tvdb)
    if row.get("media_type") != "episode":
        raise UnreadableError("is neither a film nor an episode")
    return Wanted(
        # The year of the row is the episode's, and that of its series is not told.
        "episode", words(row, "grandparent_title"), own_id=own, season=whole(row, "parent_media_index"), episode=whole(row, "media_index"),
        part_name=title, tmdb=tmdb, imdb=imdb, tvdb=tvdb,
    )  # fmt: skip


def _id_of(guid: str, agent: str) -> str | None:
    found = AGENTS.match(guid)
    return found[2] if found is not None and found[1] == agent else None
