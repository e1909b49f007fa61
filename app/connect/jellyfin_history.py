"""The Playback Reporting plugin's own history of a Jellyfin: who played what, since when and for how long.

It is asked in SQL of ours, page by page, and answers texts. Its times are the server's own: SQLite, which runs there, knows the zone.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from app.connect.jellyfin_client import JellyfinClient
from app.connect.lenient import listed, mapping, plain_id
from app.connect.media_server import HistoryPage
from app.connect.states import PLAYABLE
from app.errors import MediaServerUnclear

PLUGIN = "Playback Reporting"
PATH = "/user_usage_stats/submit_custom_query"
PAGE = 1_000
# A row grows while its play lasts: those read last are read again.
READ_AGAIN = 200
LAST_ROW = "SELECT max(ROWID) FROM PlaybackActivity"
ROWS = (
    "SELECT ROWID, UserId, ItemId, ItemType, strftime('%s', DateCreated, 'utc'), PlayDuration"
    " FROM PlaybackActivity WHERE ROWID > {after} ORDER BY ROWID LIMIT {limit}"
)


def has_history(client: JellyfinClient) -> bool:
    """Raises as `JellyfinClient.get`."""
    return any(mapping(one).get("Name") == PLUGIN and mapping(one).get("Status") == "Active" for one in listed(client.get("/Plugins")))


def read_history(client: JellyfinClient, known_row: int | None) -> Iterator[HistoryPage]:
    """What came since that row, and the rows before it that may have grown. Raises as `JellyfinClient.get`."""
    last = _number(next(iter(next(iter(_results(client, LAST_ROW)), [])), None)) or 0
    # It was emptied or brought back from a backup: its rows are numbered anew, and its plays named by who, what and when.
    after = 0 if known_row is None or last < known_row else max(known_row - READ_AGAIN, 0)
    while after < last:
        results = _results(client, ROWS.format(after=after, limit=PAGE))
        numbers = [number for row in results if row and (number := _number(row[0])) is not None]
        if not numbers or max(numbers) <= after:
            return
        after = max(numbers)
        yield HistoryPage(after, [body for row in results if (body := _play_body(row)) is not None])


def _results(client: JellyfinClient, query: str) -> list[list[Any]]:
    answer = client.ask(PATH, {"CustomQueryString": query, "ReplaceUserId": False})
    # The plugin spells it `colums`.
    if not isinstance(answer, dict) or not isinstance(answer.get("colums"), list) or not isinstance(answer.get("results"), list):
        raise MediaServerUnclear("The Playback Reporting plugin answers what is no history.")
    if not answer["colums"] and "Error" in str(answer.get("message")):
        raise MediaServerUnclear("The Playback Reporting plugin does not understand what it is asked. Is it an old version?")
    return [listed(row) for row in answer["results"]]


def _play_body(row: Sequence[Any]) -> dict[str, Any] | None:
    if len(row) != 6 or row[3] not in PLAYABLE:
        return None
    user, item, began, seconds = plain_id(row[1]), plain_id(row[2]), _number(row[4]), _number(row[5])
    if user is None or item is None or not began:
        return None
    started_at = datetime.fromtimestamp(min(began, 4_000_000_000), UTC).isoformat()
    played = seconds if seconds and seconds < 2**31 else None
    return {"play_id": f"{user}:{item}:{began}", "user_id": user, "item_id": item, "started_at": started_at, "played_seconds": played}


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18 else None
