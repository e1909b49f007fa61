"""Made-up webhooks, in the shape that each sender gives them."""

from datetime import datetime, timedelta
from typing import Any

TICKS = 10_000_000


def dashed(key: str) -> str:
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


def jellyfin(kind: str, user: str, item: str, at: datetime, minute: float | None = None, **more: Any) -> dict[str, Any]:
    """All properties, as the plugin serialises them; of a film of 90 minutes."""
    base = {
        "ServerId": "0" * 32, "ServerName": "Attic", "ServerVersion": "10.11.8", "NotificationType": kind,
        "UtcTimestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"), "Name": "The Tin Orchard", "Overview": "A \\\"quoted\\\" word.",
        "ItemId": item, "ItemType": "Movie", "RunTimeTicks": 5400 * TICKS, "Year": 2019, "Provider_tmdb": "1000",
        "NotificationUsername": "Ada", "UserId": user,
    }  # fmt: skip
    if minute is not None:
        base |= {"PlaybackPositionTicks": int(minute * 60 * TICKS), "IsPaused": False, "DeviceId": "television", "ClientName": "Web"}
    return base | more


def saved(reason: str, user: str, item: str, at: datetime, **more: Any) -> dict[str, Any]:
    """The user's data after it was saved; nothing is known of it but what is given."""
    data = {"Likes": False, "Rating": 0, "PlaybackPositionTicks": 0, "PlayCount": 0, "Favorite": False, "Played": False}
    return jellyfin("UserDataSaved", user, item, at) | data | {"SaveReason": reason} | more


def templated(payload: dict[str, Any]) -> dict[str, str]:
    """As a template writes it: everything is text, ids have dashes, and what is not there is empty."""
    names = (
        "NotificationType", "UtcTimestamp", "ItemId", "ItemType", "RunTimeTicks", "UserId", "DeviceId", "PlaybackPositionTicks",
        "PlayedToCompletion", "SaveReason", "Played", "LastPlayedDate", "Favorite", "Likes", "Rating",
    )  # fmt: skip
    written = {name: str(payload.get(name, "")) for name in names}
    return written | {name: dashed(written[name]) for name in ("ItemId", "UserId")}


def emby(event: str, user: str, item: str, at: datetime, minute: float | None = None, **more: Any) -> dict[str, Any]:
    playback = {} if minute is None else {"PlaybackInfo": {"PositionTicks": int(minute * 60 * TICKS), "PlaylistIndex": 0} | more}
    return {
        "Title": "A title", "Date": at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"), "Event": event, "User": {"Name": "Ada", "Id": user},
        "Item": {"Name": "The Tin Orchard", "Id": item, "Type": "Movie", "RunTimeTicks": 5400 * TICKS, "ProviderIds": {"Tmdb": "1000"}},
        "Server": {"Name": "Attic", "Id": "1" * 32, "Version": "4.8.0.0"},
        "Session": {"DeviceId": "television", "Client": "Emby Web", "Id": "2" * 32},
    } | playback  # fmt: skip


def plex(event: str, account: int, item: str, minute: float | None = None, **more: Any) -> dict[str, Any]:
    offset = {} if minute is None else {"viewOffset": int(minute * 60_000)}
    metadata = {
        "librarySectionType": "movie", "ratingKey": item, "type": "movie", "title": "The Tin Orchard", "duration": 5_400_000,
        "Guid": [{"id": "tmdb://1000"}], "addedAt": 1_700_000_000,
    }  # fmt: skip
    return {
        "event": event, "user": True, "owner": account == 1, "Account": {"id": account, "title": "Ada"},
        "Server": {"title": "Attic", "uuid": "a"}, "Player": {"local": True, "title": "TV", "uuid": "television"},
        "Metadata": metadata | offset,
    } | more  # fmt: skip


def evening(user: str, item: str, began: datetime) -> list[dict[str, Any]]:
    """A film from its first minute to its last, with a report of its progress every half a minute."""
    reports = [jellyfin("PlaybackProgress", user, item, began + timedelta(seconds=s), s / 60) for s in range(30, 5300, 30)]
    over = jellyfin("PlaybackStop", user, item, began + timedelta(seconds=5300), 5300 / 60, PlayedToCompletion=True)
    return [jellyfin("PlaybackStart", user, item, began, 0), *reports, over]
