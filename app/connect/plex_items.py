"""Items of a Plex as bodies of the API, and what it keeps of its owner's viewing. Times are seconds since 1970, lengths milliseconds."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.connect.lenient import listed, mapping, rating, within, word, words
from app.connect.states import State

TYPES = {"movie": "Movie", "show": "Series", "season": "Season", "episode": "Episode"}
NUMBERS = {"Movie": 1, "Series": 2, "Season": 3, "Episode": 4}
PEOPLE = {"Director": "director", "Writer": "writer", "Producer": "producer", "Role": "actor"}
# tmdb://603, or as older agents wrote it: com.plexapp.agents.thetvdb://73871/2/15?lang=en
PROVIDER_ID = re.compile(r"(?:com\.plexapp\.agents\.)?(\w+)://(\w+)")
PROVIDERS = {"tmdb": "tmdb", "themoviedb": "tmdb", "imdb": "imdb", "tvdb": "tvdb", "thetvdb": "tvdb"}
MAX_SECONDS = 2**31 - 1


def key_of(value: Any) -> str | None:
    """A ratingKey; None for what is none."""
    return value if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20 else None


def at(value: Any) -> datetime | None:
    seconds = within(value, 1, 7_000_000_000)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def is_item(item: Any) -> bool:
    return isinstance(item, dict) and key_of(item.get("ratingKey")) is not None and word(item.get("type"), 16) in TYPES


def item_body(item: Mapping[str, Any], library_id: str) -> dict[str, Any]:
    """The body of the API that this Metadata means. What it does not say stays unknown; what can't be is left out."""
    key, kind = str(key_of(item["ratingKey"])), TYPES[item["type"]].lower()
    added_at, length = at(item.get("addedAt")), within(item.get("duration"), 1000, MAX_SECONDS * 1000)
    body: dict[str, Any] = {
        "item_id": key, "type": kind, "name": word(item.get("title"), 512) or "?", "library_id": library_id,
        "added_at": None if added_at is None else added_at.isoformat(), "runtime_seconds": length and float(length // 1000),
        "official_rating": word(item.get("contentRating"), 512), "images": _images(item), "provider_ids": provider_ids(item),
    }  # fmt: skip
    number = within(item.get("index"), 0, MAX_SECONDS)
    if kind == "season":
        return body | {"series_id": key_of(item.get("parentRatingKey")) or key, "season_number": number}
    if kind == "episode":
        season = within(item.get("parentIndex"), 0, MAX_SECONDS)
        return body | {"series_id": key_of(item.get("grandparentRatingKey")) or key, "season_number": season, "episode_number": number}
    scores = [rating(item.get(name)) for name in ("audienceRating", "rating")]
    return body | {
        "original_name": word(item.get("originalTitle"), 512), "overview": word(item.get("summary"), 20_000),
        "year": within(item.get("year"), 1, 9999), "community_rating": next((one for one in scores if one is not None), None),
        "genres": _tags(item, "Genre")[:200], "tags": _tags(item, "Label")[:1000], "studios": words([item.get("studio")], 1),
        "people": [{"name": name, "kind": kind} for field, kind in PEOPLE.items() for name in _tags(item, field)][:1000],
    }  # fmt: skip


def provider_ids(item: Mapping[str, Any]) -> dict[str, str]:
    """Of `Guid`, where there is one; else of the one `guid` that older agents gave."""
    found: dict[str, str] = {}
    for one in [*(mapping(guid).get("id") for guid in listed(item.get("Guid"))), item.get("guid")]:
        match = PROVIDER_ID.match(one) if isinstance(one, str) else None
        if match is not None and match[1] in PROVIDERS:
            found.setdefault(PROVIDERS[match[1]], match[2][:64])
    return found


def state_of(item: Mapping[str, Any]) -> State:
    """What it says of the token's own user. A sitting that goes on is named by how many came before it: its time moves."""
    key, n_plays = str(key_of(item["ratingKey"])), within(item.get("viewCount"), 0, 2**31) or 0
    position, length = within(item.get("viewOffset"), 1, 2**50), within(item.get("duration"), 1000, 2**50)
    percent = None if position is None or length is None else min(100 * position / length, 100.0)
    return State(
        key, TYPES[item["type"]], n_plays, n_plays > 0, percent, at(item.get("lastViewedAt")), False, None,
        rating(item.get("userRating")), sitting=None if position is None else f"after {n_plays}",
    )  # fmt: skip


def viewing_of(row: Any, *, is_shown: bool) -> State | None:
    """A row of the history: something that was watched to its end. None for what is no film or episode, or no longer there."""
    seen_at = at(row.get("viewedAt")) if is_item(row) else None
    kind = TYPES[row["type"]] if seen_at is not None else ""
    if kind not in ("Movie", "Episode"):
        return None
    key = str(key_of(row["ratingKey"]))
    return State(key, kind, 1, True, None, seen_at, False, None, None, is_shown=is_shown)


def _tags(item: Mapping[str, Any], name: str) -> list[str]:
    return words([mapping(one).get("tag") for one in listed(item.get(name))], 1000)


def _images(item: Mapping[str, Any]) -> dict[str, str]:
    """The paths that the media server answers them at."""
    named = {"primary": word(item.get("thumb"), 512), "backdrop": word(item.get("art"), 512)}
    return {name: path for name, path in named.items() if path}
