"""The API of Streamystats, as its clients use it: GET /api/recommendations, GET /api/servers, and what is refused."""

import uuid
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from app.api.measuring import measured
from app.api.repeats import Made, held_or_made
from app.api.streamystats_callers import Caller, caller_anywhere, caller_at, named_server
from app.api.streamystats_parameters import Asked, read_asked
from app.api.streamystats_shapes import as_json, ids_of, or_nothing, similarity, title, watched
from app.connect.lenient import guid
from app.db import Connection
from app.db.slates import ServedSlate
from app.errors import PalateError
from app.recommend.pipeline import recommend
from app.types import Server, SlateItem

# It is Streamystats' API, not ours, so our OpenAPI leaves it out.
router = APIRouter(include_in_schema=False)


class NotOffered(PalateError):
    """Palate does not do this for clients of Streamystats."""

    status, title = 403, "Not offered by Palate"


@router.get("/api/recommendations")
def get_recommendations(request: Request) -> Response:
    """What the token's user should watch next; empty lists where nothing is known of what they like."""
    asked = read_asked(request.query_params)
    caller = caller_at(request, named_server(request, asked.selector))
    is_for_another = caller.user.is_administrator and asked.target_user_id is not None
    user_id = guid(asked.target_user_id) if is_for_another else caller.user.id
    found = [] if user_id is None else or_nothing(lambda: _recommended(request, caller, user_id, asked))
    if asked.format == "ids":
        titles = [one["item"] for one in found]
        movies, series = ids_of(titles, "Movie"), ids_of(titles, "Series")
        return as_json({"data": {"movies": movies, "series": series, "total": len(movies) + len(series)}})
    server = caller.server
    return as_json({
        "server": {"id": server.id, "name": server.name},
        "user": {"id": user_id or asked.target_user_id, "name": None if is_for_another else caller.user.name},
        "params": {"serverId": server.id, "serverName": server.name} | asked.said(),
        "data": [_shown(one, asked) for one in found],
    })  # fmt: skip


@router.post("/api/recommendations")
async def take_no_password() -> Response:
    raise NotOffered('Palate takes no passwords: GET this address with `Authorization: MediaBrowser Token="..."`.')


@router.get("/api/get-item-details/{item_id:path}")
async def tell_no_details() -> Response:
    raise NotOffered("Palate does not tell who watched a title.")


@router.get("/api/servers")
def get_servers(request: Request) -> Response:
    """The server that the token is of. Its address is told to administrators."""
    caller = caller_anywhere(request)
    url = caller.server.url if caller.user.is_administrator else ""
    return as_json([{"id": caller.server.id, "name": caller.server.name, "url": url}])


def _recommended(request: Request, caller: Caller, user_id: str, asked: Asked) -> list[dict[str, Any]]:
    """Made once for each kind and limit, and again when what it depends on has changed. What an administrator looks at was not shown."""
    state, is_own = request.app.state, user_id == caller.user.id

    def make(connection: Connection, server: Server, now: datetime) -> Made:
        slate = measured(
            lambda: recommend(
                connection, server, user_id, asked.filters, limit=asked.limit, offset=0, explain=True, now=now, slate_id=uuid.uuid4(),
                rankers=state.rankers,
            ),
            asked.limit,
        )  # fmt: skip
        # What is popular, or new, is a watch-list; this is for what is known of somebody.
        if slate.source != "personal":
            return Made([], slate.is_settled, slate.counts_others)
        if is_own:
            state.slate_log.add(ServedSlate(server.id, now, slate))
        found = [_found(item) for item in slate.items if guid(item.candidate.external_id) is not None]
        return Made(found, slate.is_settled, slate.counts_others)

    address = ("recommendations", asked.type, asked.limit, is_own)
    found: list[dict[str, Any]] = held_or_made(request, caller.server.external_id, user_id, address, make)
    return found


def _found(item: SlateItem) -> dict[str, Any]:
    return {
        "item": title(item.candidate),
        "similarity": similarity(item.score),
        "basedOn": [watched(one) for one in item.candidate.based_on if guid(one.item_id) is not None],
        "reason": item.reason,
    }


def _shown(one: dict[str, Any], asked: Asked) -> dict[str, Any]:
    shown = dict(one)
    if not asked.includes_based_on:
        shown["basedOn"] = []
    if not asked.includes_reasons:
        del shown["reason"]
    return shown
