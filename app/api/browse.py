"""GET /home, /items/{item_id}/similar, /search, /users/{user_id}/taste"""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from app.api.measuring import count_lacks, home_page
from app.api.metrics import SEARCH_SECONDS
from app.api.parameters import NO_NUL, ItemPath, ServerId, UserId, UserPath
from app.api.problems import documented
from app.api.readers import Reader, open_to_read
from app.api.recommendations import item_answer
from app.api.repeats import Made, RepeatRoute, repeat_or_make
from app.api.searching import searched
from app.connect.bodies import PlainText
from app.db import Connection
from app.db.replicas import asked_again
from app.recommend.home import Home
from app.recommend.interests import Interest, interests
from app.recommend.similar import similar
from app.types import Row, Server

router = APIRouter(route_class=RepeatRoute, tags=["recommend"], responses=documented(401, 403, 404, 422, 503))

Limit = Annotated[int, Query(ge=1, le=100)]
RowLimit = Annotated[int, Query(ge=1, le=50, description="Items in a row, at most.")]
OptionalUserId = Annotated[
    Annotated[str, PlainText] | None,
    Query(
        min_length=1, max_length=256, json_schema_extra=NO_NUL,
        description="Id of the user on the media server: then what they have seen, hidden or may not open is left out.",
    ),
]  # fmt: skip
Words = Annotated[
    str, PlainText, Query(min_length=1, max_length=500, description="A title, or what it is about.", json_schema_extra=NO_NUL)
]


@router.get("/home")
@asked_again
def get_home(request: Request, reader: Reader, server_id: ServerId, user_id: UserId, limit: RowLimit = 12) -> Response:
    """The rows of a home page; no item is in two of them, and a row with nothing in it is left out. `degraded` says why rows are missing or
    less good, where they are."""

    def content(page: Home, slate_id: uuid.UUID, _now: datetime) -> dict[str, Any]:
        return {"recommendation_id": str(slate_id), "rows": [_row(row) for row in page.rows], "degraded": page.degraded}

    return repeat_or_make(request, reader, server_id, user_id, home_page(request.app.state, user_id, limit, content))


@router.get("/items/{item_id:path}/similar")
@asked_again
def get_similar(
    request: Request, reader: Reader, server_id: ServerId, item_id: ItemPath, user_id: OptionalUserId = None, limit: Limit = 20
) -> Response:
    """More like this one."""

    def make(connection: Connection, server: Server, now: datetime) -> Made:
        with SEARCH_SECONDS.labels("similar").time():
            found = similar(connection, server, user_id, item_id, limit, now)
        count_lacks(found.degraded, is_short=len(found.items) < limit)
        content = {"items": [item_answer(item, True) for item in found.items], "degraded": found.degraded}
        return Made(content, not found.degraded, any(item.candidate.n_others is not None for item in found.items))

    return repeat_or_make(request, reader, server_id, user_id, make)


@router.get("/search")
@asked_again
def get_search(
    request: Request, reader: Reader, server_id: ServerId, q: Words, user_id: OptionalUserId = None,
    limit: Limit = 20, include_seen: bool = False,
) -> Response:  # fmt: skip
    """By title and by meaning together. `degraded` says when it was by title alone: the text model loads with the first search."""

    def open_server(connection: Connection) -> Server:
        return open_to_read(connection, request, reader, server_id, user_id)

    found = searched(request, server_id, user_id, open_server, q, limit=limit, include_seen=include_seen)
    return _json({"items": [item_answer(item, True) for item in found.items], "degraded": list(found.degraded)})


@router.get("/users/{user_id}/taste")
@asked_again
def get_taste(request: Request, reader: Reader, server_id: ServerId, user_id: UserPath) -> Response:
    """What this person is taken to like, and the items that say so. Without a positive taste, no facets."""
    with request.app.state.reads.begin(server_id, user_id) as connection:
        server = open_to_read(connection, request, reader, server_id, user_id)
        found = interests(connection, server, user_id, datetime.now(UTC))
    return _json({"facets": [_facet(one) for one in found.facets], "computed_at": found.computed_at})


def _row(row: Row) -> dict[str, Any]:
    return {"id": row.id, "title": row.title, "items": [item_answer(item, True) for item in row.slate.items]}


def _facet(facet: Interest) -> dict[str, Any]:
    items = [{"item_id": one.item_id, "name": one.name, "weight": one.weight} for one in facet.items]
    return {"label": facet.label, "weight": facet.weight, "items": items}


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
