"""What Jellyfin's webhook plugin sends: all properties as JSON, or a template's words for them.

The plugin writes 0 for a position, a length or a rating that the server does not know, and false for a like that nobody gave.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from app.connect.lenient import TICKS_PER_SECOND, moment, plain_id, word
from app.connect.news import Ignored, LibraryNews, News, Report, Said, flag, grade, position_in, told_at, whole
from app.connect.states import PARTS, PLAYABLE, TITLES, State, play_bodies, said, signal_body, unwatched_body, watched_body
from app.errors import UnclearNews

# In the plugin: Add Generic Destination, this as the template, and "Send All Properties" off; or that on, and no template.
TEMPLATE = """{
  "NotificationType": "{{NotificationType}}", "UtcTimestamp": "{{UtcTimestamp}}",
  "ItemId": "{{ItemId}}", "ItemType": "{{ItemType}}", "RunTimeTicks": "{{RunTimeTicks}}",
  "UserId": "{{UserId}}", "DeviceId": "{{DeviceId}}",
  "PlaybackPositionTicks": "{{PlaybackPositionTicks}}", "PlayedToCompletion": "{{PlayedToCompletion}}",
  "SaveReason": "{{SaveReason}}", "Played": "{{Played}}", "LastPlayedDate": "{{LastPlayedDate}}",
  "Favorite": "{{Favorite}}", "Likes": "{{Likes}}", "Rating": "{{Rating}}"
}"""
PLAYBACK: Mapping[str, Literal["start", "progress", "stop"]] = {
    "PlaybackStart": "start", "PlaybackProgress": "progress", "PlaybackStop": "stop",
}  # fmt: skip
# The playback's own notifications say the same, and more.
SAID_ELSEWHERE = ("PlaybackStart", "PlaybackProgress")


def read_webhook(payload: Mapping[str, Any], now: datetime) -> News:
    """Raises UnclearNews."""
    kind = word(payload.get("NotificationType"), 100)
    if kind is None:
        raise UnclearNews("NotificationType is missing: this is not what Jellyfin's webhook plugin sends. Does the template have it?")
    if kind == "ItemAdded":
        return LibraryNews()
    if kind == "ItemDeleted":
        return LibraryNews(gone=_id(payload, "ItemId"))
    if kind not in PLAYBACK and kind != "UserDataSaved":
        return Ignored(f"nothing is kept of {kind}")
    item_type = word(payload.get("ItemType"), 100)
    if item_type is None:
        raise UnclearNews("ItemType is missing. Does the template have it?")
    if kind == "UserDataSaved":
        return _saved(payload, item_type, now) if item_type in TITLES + PARTS else Ignored(f"nothing is kept of {item_type}")
    return _report(payload, PLAYBACK[kind], now) if item_type in PLAYABLE else Ignored(f"nothing is kept of {item_type}")


def _report(payload: Mapping[str, Any], what: Literal["start", "progress", "stop"], now: datetime) -> Report:
    runtime = whole(payload.get("RunTimeTicks"), TICKS_PER_SECOND) or None
    position = position_in(whole(payload.get("PlaybackPositionTicks"), TICKS_PER_SECOND), runtime)
    return Report(
        _id(payload, "UserId"), _id(payload, "ItemId"), word(payload.get("DeviceId"), 512) or "", what,
        told_at(payload.get("UtcTimestamp"), now), position if what == "start" else position or None, runtime,
        flag(payload.get("PlayedToCompletion")) if what == "stop" else None,
    )  # fmt: skip


def _saved(payload: Mapping[str, Any], item_type: str, now: datetime) -> News:
    reason = word(payload.get("SaveReason"), 100)
    if reason is None:
        raise UnclearNews("SaveReason is missing. Does the template have it?")
    if reason in SAID_ELSEWHERE:
        return Ignored(f"nothing is kept of what was saved for {reason}")
    user, state, at = _id(payload, "UserId"), _state(payload, item_type), told_at(payload.get("UtcTimestamp"), now)
    plays, marks = [], []
    is_played = flag(payload.get("Played")) if item_type in PLAYABLE else None
    if reason == "TogglePlayed" and is_played is not None:
        marks = [watched_body(user, state.item_id, at) if is_played else unwatched_body(user, state.item_id, at)]
    elif is_played is not None and state.last_at is not None:
        plays = list(play_bodies(user, state, n_earlier=0))
    elif is_played:
        # Nobody knows when. A mark is no sitting, so that it stays one when a sync tells of it too.
        marks = [watched_body(user, state.item_id, None)]
    signals = [signal_body(user, state.item_id, kind, value) for kind, value in said(state).items()]
    told = {"favourite": "Favorite", "liking": "Likes", "rating": "Rating"}
    subjects = frozenset(subject for subject, name in told.items() if payload.get(name) not in (None, ""))
    return Said(user, state.item_id, plays, [*marks, *signals], subjects)


def _state(payload: Mapping[str, Any], item_type: str) -> State:
    item = _id(payload, "ItemId")
    runtime = whole(payload.get("RunTimeTicks"), TICKS_PER_SECOND)
    position = position_in(whole(payload.get("PlaybackPositionTicks"), TICKS_PER_SECOND), runtime)
    graded, likes = grade(payload.get("Rating")) or None, flag(payload.get("Likes"))
    return State(
        item, item_type, 0, flag(payload.get("Played")) is True,
        min(100 * position / runtime, 100.0) if position and runtime else None, moment(payload.get("LastPlayedDate")),
        flag(payload.get("Favorite")) is True, likes if likes or graded is not None else None, graded,
    )  # fmt: skip


def _id(payload: Mapping[str, Any], name: str) -> str:
    found = plain_id(payload.get(name))
    if found is None:
        raise UnclearNews(f"{name} is missing, or no id of a Jellyfin.")
    return found
