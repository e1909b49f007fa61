"""Webhooks that real servers sent: each is parsed to what it means, or refused with a reason."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from app.connect import emby_webhook, jellyfin_webhook, plex_webhook
from app.connect.jellyfin_sessions import reports_of
from app.connect.news import Ignored, Report
from app.errors import UnclearNews
from tests.connect.samples import sample

NOW = datetime(2026, 3, 1, tzinfo=UTC)
READERS = {"emby": emby_webhook.read_webhook, "jellyfin": jellyfin_webhook.read_webhook, "plex": plex_webhook.read_webhook}
# What each means in a word; what is no webhook is refused as such.
MEANS = {
    "emby_webhook_0": "stop at 1743 of 8043 s, completed: False",
    "emby_webhook_1": "start at 1425 of 2802 s, completed: None",
    "jellyfin_webhook_0": "refused: UserId is missing, or no id of a Jellyfin.",
    "jellyfin_playbackProgressSample": "ignored: nothing is kept of Audio",
    "jellyfin_validSession": "refused: NotificationType is missing",
    "plex_events": "refused: event is missing",
    "plex_events-played": "refused: event is missing",
    "plex_movie": "stop at None of 11040 s, completed: None",
    "plex_tv": "progress at 1127 of None s, completed: None",
}


def recorded(name: str) -> list[dict[str, Any]]:
    found = orjson.loads(sample(f"{name}.json").read_bytes())
    return [one.get("data", one) for one in (found if isinstance(found, list) else [found])]


def meaning(kind: str, payload: dict[str, Any]) -> str:
    try:
        news = READERS[kind](payload, NOW)
    except UnclearNews as refusal:
        return f"refused: {str(refusal).partition(':')[0]}"
    match news:
        case Report():
            return f"{news.what} at {news.position_seconds} of {news.runtime_seconds} s, completed: {news.is_completed}"
        case Ignored(reason):
            return f"ignored: {reason}"
    return type(news).__name__


@pytest.mark.parametrize("name", MEANS)
def test_a_recorded_webhook_means_what_it_says_or_is_refused(name: str) -> None:
    means = {meaning(name.partition("_")[0], payload) for payload in recorded(name)}
    print("\n".join(f"{name:32} {one}" for one in sorted(means)))  # noqa: T201
    assert means == {MEANS[name]}


def test_a_recorded_session_of_a_song_is_no_play() -> None:
    assert reports_of(recorded("jellyfin_validSession"), NOW) == []
