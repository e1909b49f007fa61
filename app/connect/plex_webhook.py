"""What Plex's webhooks send, in the field `payload` of a form: an event's name, with the account, the player and the item.

They tell no time, so that theirs is when they come. Positions and lengths are milliseconds.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from app.connect.lenient import mapping, word
from app.connect.news import Ignored, LibraryNews, News, Report, Said, grade, own_id, position_in, whole
from app.connect.states import signal_body
from app.errors import UnclearNews

PER_SECOND = 1000
# A scrobble comes when nine tenths are over, and playback goes on.
PLAYBACK: Mapping[str, Literal["start", "progress", "stop"]] = {
    "media.play": "start", "media.pause": "progress", "media.resume": "progress", "media.scrobble": "progress", "media.stop": "stop",
}  # fmt: skip
PLAYABLE, RATED = ("movie", "episode"), ("movie", "show", "season", "episode")


def read_webhook(payload: Mapping[str, Any], now: datetime) -> News:
    """Raises UnclearNews."""
    event = word(payload.get("event"), 100)
    if event is None:
        raise UnclearNews("event is missing: this is not what Plex's webhooks send.")
    if event == "library.new":
        return LibraryNews()
    if event not in PLAYBACK and event != "media.rate":
        return Ignored(f"nothing is kept of {event}")
    item = mapping(payload.get("Metadata"))
    item_type = word(item.get("type"), 100)
    if item_type is None:
        raise UnclearNews("Metadata.type is missing.")
    if item_type not in (RATED if event == "media.rate" else PLAYABLE):
        return Ignored(f"nothing is kept of {item_type}")
    # The owner is account 1, as in the server's own history.
    user, key = own_id(mapping(payload.get("Account")), "id"), own_id(item, "ratingKey")
    if event == "media.rate":
        return _rated(payload, user, key)
    runtime = whole(item.get("duration"), PER_SECOND) or None
    offset = whole(item.get("viewOffset"), PER_SECOND)
    position = position_in(offset or (0 if event == "media.play" else None), runtime)
    device = word(mapping(payload.get("Player")).get("uuid"), 512) or ""
    return Report(user, key, device, PLAYBACK[event], now, position, runtime, True if event == "media.scrobble" else None)


def _rated(payload: Mapping[str, Any], user: str, key: str) -> News:
    item = mapping(payload.get("Metadata"))
    value = payload.get("rating", item.get("userRating"))
    graded = grade(value)
    if graded is None and value not in (-1, "-1"):
        raise UnclearNews("rating is missing, or not between 0 and 10.")
    # Plex says -1 where a rating is taken back.
    signals = [] if graded is None else [signal_body(user, key, "rating", graded)]
    return Said(user, key, [], signals, frozenset({"rating"}))
