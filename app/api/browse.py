"""GET /home, /items/{item_id}/similar, /search, /users/{user_id}/taste"""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from app.api.auth import Credentials, open_server
from app.api.metrics import FALLBACKS
from app.api.parameters import NO_NUL, ItemPath, ServerId, UserId, UserPath
from app.api.problems import documented
from app.api.recommendations import item_answer
from app.api.repeats import Made, RepeatRoute, repeat_or_make
from app.connect.bodies import PlainText
from app.db import Connection
from app.db.replicas import asked_again
from app.db.slates import ServedSlate
from app.recommend import find
from app.recommend.home import home
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
def get_home(request: Request, key: Credentials, server_id: ServerId, user_id: UserId, limit: RowLimit = 12) -> Response:
    """The rows of a home page; no item is in two of them, and a row with nothing in it is left out."""
    state = request.app.state

    def make(connection: Connection, server: Server, now: datetime) -> Made:
        slate_id = uuid.uuid4()
        rows = home(connection, server, user_id, limit, now, slate_id, state.rankers)
        for row in rows:
            state.slate_log.add(ServedSlate(server.id, now, row.slate, row.id))
        content = {"recommendation_id": str(slate_id), "rows": [_row(row) for row in rows]}
        return Made(content, all(row.slate.is_settled for row in rows), any(row.slate.counts_others for row in rows))

    return repeat_or_make(request, key, server_id, user_id, make)


@router.get("/items/{item_id:path}/similar")
@asked_again
def get_similar(
    request: Request, key: Credentials, server_id: ServerId, item_id: ItemPath, user_id: OptionalUserId = None, limit: Limit = 20
) -> Response:
    """More like this one."""

    def make(connection: Connection, server: Server, now: datetime) -> Made:
        items = similar(connection, server, user_id, item_id, limit, now)
        content = {"items": [item_answer(item, True) for item in items]}
        return Made(content, True, any(item.candidate.n_others is not None for item in items))

    return repeat_or_make(request, key, server_id, user_id, make)


@router.get("/search")
@asked_again
def get_search(
    request: Request, key: Credentials, server_id: ServerId, q: Words, user_id: OptionalUserId = None,
    limit: Limit = 20, include_seen: bool = False,
) -> Response:  # fmt: skip
    """By title and by meaning together. `degraded` says when it was by title alone: the text model loads with the first search."""
    state = request.app.state
    with state.reads.begin(server_id, user_id) as connection:
        server = open_server(connection, request, key, "read", server_id)
        space = find.text_space(connection, server)
    # No connection is held while the encoder works.
    meaning = find.meaning_of(state.query_encoder, space, q)
    with state.reads.begin(server_id, user_id) as connection:
        now = datetime.now(UTC)
        found = find.find(connection, server, user_id, q, space, meaning, limit=limit, include_seen=include_seen, now=now)
    for fault in found.degraded:
        FALLBACKS.labels(fault).inc()
    return _json({"items": [item_answer(item, True) for item in found.items], "degraded": list(found.degraded)})


@router.get("/users/{user_id}/taste")
@asked_again
def get_taste(request: Request, key: Credentials, server_id: ServerId, user_id: UserPath) -> Response:
    """What this person is taken to like, and the items that say so. Without a positive taste, no facets."""
    with request.app.state.reads.begin(server_id, user_id) as connection:
        server = open_server(connection, request, key, "read", server_id)
        found = interests(connection, server, user_id, datetime.now(UTC))
    return _json({"facets": [_facet(one) for one in found.facets], "computed_at": found.computed_at})


def _row(row: Row) -> dict[str, Any]:
    return {"id": row.id, "title": row.title, "items": [item_answer(item, True) for item in row.slate.items]}


def _facet(facet: Interest) -> dict[str, Any]:
    items = [{"item_id": one.item_id, "name": one.name, "weight": one.weight} for one in facet.items]
    return {"label": facet.label, "weight": facet.weight, "items": items}


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
