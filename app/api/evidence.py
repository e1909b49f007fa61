"""GET /admin/watch-through, GET /admin/skew"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from app.api.auth import Credentials, open_server
from app.api.parameters import ServerId
from app.api.problems import documented
from app.db.skew import FeatureSkew, read_skew
from app.db.watch_through import WATCHED_WITHIN, By, Share, read_watch_through
from app.learn.proportion import wilson
from app.learn.skew import verdict

router = APIRouter(prefix="/admin", tags=["models"], responses=documented(401, 403, 404, 422, 503))

Days = Annotated[int, Query(ge=1, le=365, description="So many days, today included.")]


@router.get("/watch-through")
def get_watch_through(request: Request, key: Credentials, server_id: ServerId, days: Days = 30, by: By = "source") -> dict[str, Any]:
    """How much of what was shown was then watched, with 95% intervals.

    A title counts once for each person, day and row of the page, and as watched where they began it, or went on with it, within 14 days:
    the last two weeks may still rise. One found by several sources counts for each of them; the source `any` counts it once. Ranks from
    100 on are one. `model` is null where no ranker put it in order. People who opted out or were erased do not count.
    """
    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    with request.app.state.serve.begin() as connection:
        server = open_server(connection, request, key, "admin", server_id)
        found = read_watch_through(connection, server.id, by, since)
    return {"by": by, "days": days, "watched_within_days": WATCHED_WITHIN.days, "rows": [_share(one, by) for one in found]}


@router.get("/skew")
def get_skew(request: Request, key: Credentials, server_id: ServerId) -> dict[str, Any]:
    """How far each feature as served in the last week is from the same as trained, the farthest first, as found by last night's check.

    `psi`, the population stability index, above 0.25 is flagged; null where too little was served to say.
    """
    with request.app.state.serve.begin() as connection:
        server = open_server(connection, request, key, "admin", server_id)
        found = read_skew(connection, server.id)
    first = found[0] if found else None
    return {
        "model_id": first and first.model_id,
        "computed_at": first and first.computed_at,
        "features": [_feature(one) for one in found],
    }


def _share(one: Share, by: By) -> dict[str, Any]:
    key: str | int | None = one.key
    if by in ("rank", "model"):
        key = int(one.key) or None
    low, high = wilson(one.n_watched, one.n_shown)
    rate = round(one.n_watched / one.n_shown, 4)
    return {by: key, "n_shown": one.n_shown, "n_watched": one.n_watched, "rate": rate, "ci95": [round(low, 4), round(high, 4)]}


def _feature(one: FeatureSkew) -> dict[str, Any]:
    return {
        "feature": one.feature,
        "n_served": one.n_served,
        "psi": one.psi and round(one.psi, 4),
        "kl": one.kl and round(one.kl, 4),
        "verdict": verdict(one.psi),
        "is_flagged": one.is_flagged,
    }
