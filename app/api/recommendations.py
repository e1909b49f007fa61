"""GET /recommendations"""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from app.api.measuring import measured
from app.api.parameters import CommaList, LibraryId, ServerId, UserId, comma_list
from app.api.problems import documented
from app.api.readers import Reader
from app.api.repeats import Made, RepeatRoute, repeat_or_make
from app.db import Connection
from app.db.replicas import asked_again
from app.db.slates import ServedSlate
from app.recommend.pipeline import recommend
from app.recommend.select import Selection
from app.types import Filters, Server, Slate, SlateItem

router = APIRouter(route_class=RepeatRoute)

Year = Annotated[int | None, Query(ge=1, le=9999)]
# Deeper pages read every candidate before them.
MAX_OFFSET = 10_000


@router.get("/recommendations", responses=documented(401, 403, 404, 422, 503), tags=["recommend"])
@asked_again
def get_recommendations(
    request: Request,
    reader: Reader,
    server_id: ServerId,
    user_id: UserId,
    type: Literal["movie", "series", "all"] = "all",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    genres: CommaList = None,
    exclude_genres: CommaList = None,
    exclude_ids: CommaList = None,
    year_from: Year = None,
    year_to: Year = None,
    max_runtime_minutes: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    library_id: LibraryId = None,
    include_seen: bool = False,
    explain: bool = True,
    variety: bool = True,
    freshness: bool = True,
) -> Response:
    """What this user should watch next, best first, with nothing they have seen, hidden or may not open."""
    filters = Filters(
        kind=None if type == "all" else type,
        genres=_folded(genres),
        exclude_genres=_folded(exclude_genres),
        exclude_ids=comma_list(exclude_ids),
        year_from=year_from,
        year_to=year_to,
        max_runtime_seconds=max_runtime_minutes and max_runtime_minutes * 60,
        library_id=library_id,
        include_seen=include_seen,
    )
    state = request.app.state

    def make(connection: Connection, server: Server, now: datetime) -> Made:
        slate = measured(
            lambda: recommend(
                connection, server, user_id, filters, limit=limit, offset=offset, explain=explain, now=now, slate_id=uuid.uuid4(),
                selection=Selection.of(server, is_varied=variety, is_fresh=freshness), rankers=state.rankers,
            ),
            limit,
        )  # fmt: skip
        state.slate_log.add(ServedSlate(server.id, now, slate))
        return Made(as_answer(slate, server, user_id, explain), slate.is_settled, slate.counts_others)

    return repeat_or_make(request, reader, server_id, user_id, make)


def as_answer(slate: Slate, server: Server, user_id: str, explain: bool) -> dict[str, Any]:
    return {
        "recommendation_id": str(slate.id),
        "server_id": server.external_id,
        "user_id": user_id,
        "source": slate.source,
        "degraded": list(slate.degraded),
        "items": [item_answer(item, explain) for item in slate.items],
        "next_offset": slate.next_offset,
    }


def item_answer(item: SlateItem, explain: bool) -> dict[str, Any]:
    candidate = item.candidate
    answer: dict[str, Any] = {
        "rank": item.rank,
        "item_id": candidate.external_id,
        "type": candidate.kind,
        "name": candidate.name,
        "year": candidate.year,
        "genres": candidate.genres,
        "community_rating": None if candidate.community_rating is None else round(candidate.community_rating, 2),
        "runtime_minutes": None if candidate.runtime_seconds is None else round(candidate.runtime_seconds / 60),
        "images": candidate.images,
        "provider_ids": candidate.provider_ids,
        "score": round(item.score, 6),
        "sources": item.sources,
    }
    if explain:
        answer["based_on"] = [{"item_id": one.item_id, "name": one.name, "weight": one.weight} for one in candidate.based_on]
        answer["reason"] = item.reason
    return answer


def _folded(value: str | None) -> list[str] | None:
    parts = comma_list(value)
    return None if parts is None else [part.lower() for part in parts]
