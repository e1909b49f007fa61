"""Titles and errors in the shapes that clients of Streamystats read. Ids are 32 lower-case hex, and every list is always there."""

from collections.abc import Callable, Iterable
from math import tanh
from typing import Any

import orjson
from fastapi import Response

from app.api.metrics import FALLBACKS
from app.api.problems import unexpected
from app.connect.lenient import TICKS_PER_SECOND, guid
from app.errors import UnknownUser, UserDisabled
from app.types import BasedOn, Candidate

TYPES = {"movie": "Movie", "series": "Series"}
# Of a title that nothing more is known of here.
UNKNOWN: dict[str, Any] = dict.fromkeys(
    (
        "type", "productionYear", "runtimeTicks", "genres", "communityRating", "primaryImageTag", "primaryImageThumbTag",
        "primaryImageLogoTag", "backdropImageTags", "seriesId", "seriesPrimaryImageTag", "parentBackdropItemId",
        "parentBackdropImageTags", "parentThumbItemId", "parentThumbImageTag",
    )
)  # fmt: skip


def as_json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def or_nothing(make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """An empty list for a user who was not synced yet or is disabled, and where anything fails: a client then shows no row,
    where some would show an error on the screen."""
    try:
        return make()
    except (UnknownUser, UserDisabled):
        return []
    except Exception as error:  # whatever it is: it is logged and counted
        unexpected(error)
        FALLBACKS.labels("failed").inc()
        return []


def title(candidate: Candidate) -> dict[str, Any]:
    """All 17 of its fields. An id that is none of Jellyfin's is null: such a title was not read from one, and is to be left out."""
    images = candidate.images
    rating, seconds = candidate.community_rating, candidate.runtime_seconds
    return {"id": guid(candidate.external_id), "name": candidate.name} | UNKNOWN | {
        "type": TYPES[candidate.kind],
        "productionYear": candidate.year,
        "runtimeTicks": None if seconds is None else seconds * TICKS_PER_SECOND,
        "genres": candidate.genres,
        "communityRating": None if rating is None else round(rating, 2),
        "primaryImageTag": images.get("primary"),
        "primaryImageThumbTag": images.get("thumb"),
        "primaryImageLogoTag": images.get("logo"),
        "backdropImageTags": [images["backdrop"]] if "backdrop" in images else [],
    }  # fmt: skip


def watched(one: BasedOn) -> dict[str, Any]:
    return {"id": guid(one.item_id), "name": one.name} | UNKNOWN


def similarity(score: float) -> float:
    """0..1, falling as the score does, which has no bounds."""
    return round(max(tanh(score), 0.0), 4)


def ids_of(titles: Iterable[dict[str, Any]], type: str) -> list[str]:
    return [one["id"] for one in titles if one["type"] == type]
