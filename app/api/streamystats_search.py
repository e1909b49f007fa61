"""GET /api/search, as clients of Streamystats ask: films and series. Of episodes, people and the rest the lists are empty."""

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from app.api.streamystats_callers import Caller, caller_anywhere
from app.api.streamystats_parameters import number
from app.api.streamystats_shapes import as_json, ids_of, or_nothing, title
from app.connect.jellyfin_values import guid
from app.db.replicas import asked_again
from app.db.servers import find_server
from app.recommend import find

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
    state, server_id, user_id = request.app.state, caller.server.external_id, caller.user.id
    with state.reads.begin(server_id, user_id) as connection:
        server = find_server(connection, server_id)
        if server is None:
            return []
        space = find.text_space(connection, server)
    # No connection is held while the encoder works.
    meaning = find.meaning_of(state.query_encoder, space, words)
    with state.reads.begin(server_id, user_id) as connection:
        found = find.find(
            connection, server, user_id, words, space, meaning, limit=limit, include_seen=True, kind=kind, now=datetime.now(UTC)
        )  # fmt: skip
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
