"""What Emby's webhooks send: an event's name, with the user, the item, the session and the playback as its API has them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from app.connect.lenient import TICKS_PER_SECOND, mapping, word
from app.connect.news import Ignored, LibraryNews, News, Report, Said, flag, grade, own_id, position_in, told_at, whole
from app.connect.states import PARTS, PLAYABLE, TITLES, signal_body, unwatched_body, watched_body
from app.errors import UnclearNews

PLAYBACK: Mapping[str, Literal["start", "progress", "stop"]] = {
    "playback.start": "start", "playback.pause": "progress", "playback.unpause": "progress", "playback.stop": "stop",
}  # fmt: skip
MARKS = {"item.markplayed": watched_body, "item.markunplayed": unwatched_body}


def read_webhook(payload: Mapping[str, Any], now: datetime) -> News:
    """Raises UnclearNews."""
    event = word(payload.get("Event"), 100)
    item = mapping(payload.get("Item"))
    if event is None:
        raise UnclearNews("Event is missing: this is not what Emby's webhooks send.")
    if event == "library.new":
        return LibraryNews()
    if event == "library.deleted":
        return LibraryNews(gone=own_id(item, "Id"))
    if event not in (*PLAYBACK, *MARKS, "item.rate"):
        return Ignored(f"nothing is kept of {event}")
    item_type = word(item.get("Type"), 100)
    if item_type is None:
        raise UnclearNews("Item.Type is missing.")
    if item_type not in (TITLES + PARTS if event == "item.rate" else PLAYABLE):
        return Ignored(f"nothing is kept of {item_type}")
    user, key = own_id(mapping(payload.get("User")), "Id"), own_id(item, "Id")
    at = told_at(payload.get("Date"), now)
    if event in PLAYBACK:
        return _report(payload, PLAYBACK[event], user, key, at)
    if event in MARKS:
        return Said(user, key, [], [MARKS[event](user, key, at)], frozenset())
    return _rated(mapping(item.get("UserData")), user, key)


def _report(payload: Mapping[str, Any], what: Literal["start", "progress", "stop"], user: str, key: str, at: datetime) -> Report:
    playback, session = mapping(payload.get("PlaybackInfo")), mapping(payload.get("Session"))
    runtime = whole(mapping(payload.get("Item")).get("RunTimeTicks"), TICKS_PER_SECOND) or None
    position = position_in(whole(playback.get("PositionTicks"), TICKS_PER_SECOND), runtime)
    return Report(
        user, key, word(session.get("DeviceId"), 512) or "", what, at, position if what == "start" else position or None, runtime,
        flag(playback.get("PlayedToCompletion")) if what == "stop" else None,
    )  # fmt: skip


def _rated(data: Mapping[str, Any], user: str, key: str) -> News:
    """What the user's data does not name is not known to be taken back."""
    favourite, likes, graded = flag(data.get("IsFavorite")), flag(data.get("Likes")), grade(data.get("Rating"))
    said: dict[str, bool | float] = {}
    if favourite:
        said["favourite"] = True
    if likes is not None:
        said["like" if likes else "dislike"] = True
    elif graded:
        said["rating"] = graded
    told = {"favourite": "IsFavorite", "liking": "Likes", "rating": "Rating"}
    subjects = frozenset(subject for subject, name in told.items() if name in data)
    if not subjects:
        return Ignored("it does not say what was rated, and how")
    return Said(user, key, [], [signal_body(user, key, kind, value) for kind, value in said.items()], subjects)
