"""Webhooks that are cut and bent: each is refused with a reason, or means what its intact fields say."""

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.connect import emby_webhook, jellyfin_webhook, plex_webhook
from app.connect.bodies import PLAYS, SIGNALS
from app.connect.live import play_body
from app.connect.news import Ignored, LibraryNews, News, Report, Said
from app.connect.sitting import begun_by
from app.errors import UnclearNews
from tests.connect.payloads import emby, jellyfin, plex, saved, templated
from tests.connect.samples import FOLDER, sample

ADA, FILM = "a" * 32, "f" * 32
BEGAN = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)
NOW = BEGAN + timedelta(days=2)
STOP = jellyfin("PlaybackStop", ADA, FILM, BEGAN, 85, PlayedToCompletion=True)
RATED = emby("item.rate", ADA, "77", BEGAN)
RATED["Item"]["UserData"] = {"IsFavorite": True, "Likes": False, "Rating": 3.0}
Read = Callable[[Mapping[str, Any], datetime], News]
PAYLOADS: list[tuple[Read, dict[str, Any]]] = [
    (jellyfin_webhook.read_webhook, STOP),
    (jellyfin_webhook.read_webhook, templated(STOP)),
    (jellyfin_webhook.read_webhook, saved("TogglePlayed", ADA, FILM, BEGAN, Played=True)),
    (jellyfin_webhook.read_webhook, saved("UpdateUserRating", ADA, FILM, BEGAN, Favorite=True, Likes=True, Rating=10)),
    (jellyfin_webhook.read_webhook, saved("Import", ADA, FILM, BEGAN, Played=True, LastPlayedDate="2026-03-01T20:15:00.0000000Z")),
    (emby_webhook.read_webhook, emby("playback.stop", ADA, "77", BEGAN, 85, PlayedToCompletion=False)),
    (emby_webhook.read_webhook, RATED),
    (plex_webhook.read_webhook, plex("media.scrobble", 1, "77", 82)),
    (plex_webhook.read_webhook, plex("media.rate", 1, "77", rating=7)),
]
# What real servers sent; of some nothing is kept, and some lack what they would have to say.
RECORDED: Mapping[str, Read] = {
    "emby_webhook_0.json": emby_webhook.read_webhook, "emby_webhook_1.json": emby_webhook.read_webhook,
    "jellyfin_webhook_0.json": jellyfin_webhook.read_webhook, "jellyfin_playbackProgressSample.json": jellyfin_webhook.read_webhook,
    "plex_movie.json": plex_webhook.read_webhook, "plex_tv.json": plex_webhook.read_webhook,
}  # fmt: skip
# The fields of a report, and where each sender says them; what is said elsewhere can't change them.
SAID_IN = {
    "user_id": {"UserId", "User", "Id", "Account", "id"},
    "item_id": {"ItemId", "Item", "Id", "Metadata", "ratingKey"},
    "device": {"DeviceId", "Session", "Player", "uuid"},
    "what": {"NotificationType", "Event", "event"},
    "at": {"UtcTimestamp", "Date"},
    "position_seconds": {"PlaybackPositionTicks", "PlaybackInfo", "PositionTicks", "Metadata", "viewOffset",
                         "RunTimeTicks", "Item", "duration", "NotificationType", "Event", "event"},
    "runtime_seconds": {"RunTimeTicks", "Item", "Metadata", "duration"},
    "is_completed": {"PlayedToCompletion", "PlaybackInfo", "NotificationType", "Event", "event"},
}  # fmt: skip
STRANGE = [
    [], {}, "0" * 400, "\x00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", -1, 2**63, "True", "1e400", "PlaybackStart", "PlaybackStop",
    "UserDataSaved", "ItemDeleted", "playback.stop", "media.rate", "library.new", "Movie",
]  # fmt: skip
ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.sampled_from(STRANGE))


@functools.cache
def recorded() -> list[tuple[Read, dict[str, Any]]]:
    """Those that are at hand."""
    found = [(read, orjson.loads((FOLDER / name).read_bytes())) for name, read in RECORDED.items() if (FOLDER / name).is_file()]
    return [(read, one.get("data", one)) for read, many in found for one in (many if isinstance(many, list) else [many])]


def places(payload: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in payload.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from places(value, (*path, name))


def bend(payload: dict[str, Any], path: tuple[str, ...], value: Any, *, is_cut: bool) -> dict[str, Any]:
    bent = copy.deepcopy(payload)
    inside = bent
    for name in path[:-1]:
        inside = inside.get(name)  # type: ignore[assignment]
        if not isinstance(inside, dict):
            return bent
    if is_cut:
        inside.pop(path[-1], None)
    else:
        inside[path[-1]] = value
    return bent


def bent_by(payload: dict[str, Any], bends: list[tuple[int, Any, bool]]) -> tuple[dict[str, Any], set[str]]:
    """And the names of the fields that were bent."""
    bent, changed, everywhere = payload, set[str](), list(places(payload))
    for place, value, is_cut in bends:
        path = everywhere[place % len(everywhere)]
        bent, changed = bend(bent, path, value, is_cut=is_cut), changed | {path[-1]}
    return bent, changed


def check(told: tuple[Read, dict[str, Any]], bends: list[tuple[int, Any, bool]]) -> None:
    read, payload = told
    try:
        original: News | None = read(payload, NOW)
    except UnclearNews:
        original = None
    bent, changed = bent_by(payload, bends)
    try:
        news = read(bent, NOW)
    except UnclearNews:
        return
    match news:
        case Report():
            _check_report(news, original, changed)
            _, _, rejected = PLAYS.read([play_body("key", news, begun_by(news))])
            assert rejected == []
        case Said(plays=plays, signals=signals):
            assert [*PLAYS.read(plays)[2], *SIGNALS.read(signals)[2]] == []
            assert {body["user_id"] for body in (*plays, *signals)} <= {news.user_id}
        case LibraryNews() | Ignored():
            pass


def _check_report(news: Report, original: News | None, changed: set[str]) -> None:
    assert news.position_seconds is None or news.position_seconds >= 0
    assert news.percent is None or 0 <= news.percent <= 100
    assert news.at <= NOW + timedelta(minutes=5)
    if isinstance(original, Report):
        for field in fields(Report):
            if not SAID_IN[field.name] & changed:
                assert getattr(news, field.name) == getattr(original, field.name), (field.name, changed)


def bounded(n_examples: int) -> settings:
    """The same ones each time, but for a soak."""
    is_soak = n_examples >= 1_000
    return settings(max_examples=n_examples, deadline=None, derandomize=not is_soak, database=None, suppress_health_check=list(HealthCheck))


BENDS = st.lists(st.tuples(st.integers(0, 200), ANYTHING, st.booleans()), min_size=1, max_size=4)


def test_what_is_not_bent_means_what_it_means() -> None:
    kinds = [type(read(payload, NOW)) for read, payload in PAYLOADS]
    assert kinds == [Report, Report, Said, Said, Said, Report, Said, Report, Said]


@bounded(150)
@given(st.sampled_from(PAYLOADS), BENDS)
def test_a_bent_webhook_is_refused_or_means_what_is_left(told: tuple[Read, dict[str, Any]], bends: list[tuple[int, Any, bool]]) -> None:
    check(told, bends)


@pytest.mark.parametrize("n_examples", [300, pytest.param(5_000, marks=pytest.mark.soak)])
def test_a_recorded_webhook_that_is_bent_is_refused_or_means_what_is_left(n_examples: int) -> None:
    for name in RECORDED:
        sample(name)

    @bounded(n_examples)
    @given(st.sampled_from(recorded()), BENDS)
    def bent(told: tuple[Read, dict[str, Any]], bends: list[tuple[int, Any, bool]]) -> None:
        check(told, bends)

    bent()


@pytest.mark.soak
@bounded(5_000)
@given(st.sampled_from(PAYLOADS), BENDS)
def test_five_thousand_bent_webhooks(told: tuple[Read, dict[str, Any]], bends: list[tuple[int, Any, bool]]) -> None:
    check(told, bends)
