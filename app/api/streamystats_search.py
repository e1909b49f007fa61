"""GET /api/search, as clients of Streamystats ask: films and series. Of episodes, people and the rest the lists are empty."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from app.api.searching import searched
from app.api.streamystats_callers import Caller, caller_anywhere
from app.api.streamystats_parameters import number
from app.api.streamystats_shapes import as_json, ids_of, or_nothing, title
from app.connect.lenient import guid
from app.db import Connection
from app.db.replicas import asked_again
from app.db.servers import get_server
from app.types import Server

router = APIRouter(include_in_schema=False)

Kind = Literal["movie", "series"]

MAX_CHARACTERS = 500
KINDS: dict[str, Kind] = {"movies": "movie", "series": "series"}
# What Palate does not search: actors would have to be ids of Jellyfin's people, which are not read.
NOT_SEARCHED = ("episodes", "audio", "people", "actors", "directors", "writers", "users", "watchlists", "activities", "sessions")


@router.get("/api/search")
def get_search(request: Request) -> Response:
    """By title and by meaning together, also what was seen."""
    caller = caller_anywhere(request)
    query = request.query_params
    words, sought = query.get("q", "").replace("\x00", "").strip(), query.get("type", "all")
    shape = _ids if query.get("format") == "ids" else _full
    if not words:
        return as_json({"error": "Search query is required"} | shape([]), 400)
    if sought in NOT_SEARCHED:
        return as_json(shape([]))
    limit = number(query, "limit", 10)
    return as_json(shape(or_nothing(lambda: _found(request, caller, words[:MAX_CHARACTERS], KINDS.get(sought), limit))))


@asked_again
def _found(request: Request, caller: Caller, words: str, kind: Kind | None, limit: int) -> list[dict[str, Any]]:
    server_id, user_id = caller.server.external_id, caller.user.id

    def open_server(connection: Connection) -> Server:
        return get_server(connection, caller.server.id)

    found = searched(request, server_id, user_id, open_server, words, limit=limit, include_seen=True, kind=kind)
    return [title(item.candidate) for item in found.items if guid(item.candidate.external_id) is not None]


def _ids(titles: list[dict[str, Any]]) -> dict[str, Any]:
    others: dict[str, list[str]] = {name: [] for name in ("episodes", "seasons", "audio", "actors", "directors", "writers")}
    return {"data": {"movies": ids_of(titles, "Movie"), "series": ids_of(titles, "Series")} | others | {"total": len(titles)}}


def _full(titles: list[dict[str, Any]]) -> dict[str, Any]:
    items = [
        {
            "id": one["id"], "type": "item", "subtype": one["type"], "title": one["name"],
            "subtitle": "" if one["productionYear"] is None else str(one["productionYear"]), "imageId": one["id"],
            "imageTag": one["primaryImageTag"], "href": f"/web/#/details?id={one['id']}", "metadata": {}, "rank": 1 / place,
        }
        for place, one in enumerate(titles, start=1)
    ]  # fmt: skip
    others: dict[str, list[Any]] = {name: [] for name in ("users", "watchlists", "activities", "sessions", "actors")}
    return {"data": {"items": items} | others | {"total": len(items)}}
