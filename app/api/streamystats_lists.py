"""The rows of a person's home page as promoted watch-lists: /api/watchlists. They are made for whoever asks, and nobody changes them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any

from fastapi import APIRouter, Request, Response

from app.api.measuring import home_page
from app.api.repeats import held_or_made
from app.api.streamystats import NotOffered
from app.api.streamystats_callers import Caller, caller_anywhere, caller_at, named_server, selector_in
from app.api.streamystats_parameters import BadParameter, number, truth
from app.api.streamystats_shapes import as_json, or_nothing, title
from app.connect.lenient import guid
from app.errors import PalateError
from app.recommend.home import Home
from app.types import Row

router = APIRouter(prefix="/api/watchlists", include_in_schema=False)

N_ITEMS = 20
N_PREVIEWED = 4
# Clients know a list by its number: that of a row stays, whatever stands in it. Interests follow.
NUMBERS = {
    "continue": 1, "because-you-watched": 2, "top-picks": 3, "new": 4, "popular": 5, "hidden-gems": 6, "watch-again": 7,
}  # fmt: skip
INTEREST, FIRST_INTEREST = "interest-", 10
# Whose the lists are: nobody's who could change one. A client asks for each of a user's own lists whenever a title is opened, and offers
# to put the title in.
NOBODY = "0" * 32
ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "name": lambda one: one["item"]["name"].casefold(),
    "dateAdded": lambda one: one["addedAt"],
    "releaseDate": lambda one: one["item"]["productionYear"] or 0,
}
TYPES = ("Movie", "Series", "Season", "Episode")


class NoSuchList(PalateError):
    """None of this person's lists has this number now."""

    status, title = 404, "Watchlist not found"


@router.get("/promoted")
def get_promoted(request: Request) -> Response:
    """The lists of the token's user, each with its first titles."""
    query = request.query_params
    caller = caller_at(request, named_server(request, selector_in(query)))
    rows = _rows(request, caller)[: number(query, "limit", 20)]
    if query.get("format") == "ids":
        return as_json({"data": {"watchlists": [str(row["number"]) for row in rows], "total": len(rows)}})
    lists = [_list(caller, row) for row in rows]
    if truth(query, "includePreview"):
        shown = ("id", "name", "type", "primaryImageTag")
        for made, row in zip(lists, rows, strict=True):
            made["previewItems"] = [{name: one["item"][name] for name in shown} for one in row["titles"][:N_PREVIEWED]]
    return as_json({"server": {"id": caller.server.id, "name": caller.server.name}, "data": lists, "total": len(lists)})


@router.get("")
def get_lists(request: Request) -> Response:
    """The same lists, without titles."""
    caller = caller_anywhere(request)
    return as_json({"data": [_list(caller, row) for row in _rows(request, caller)]})


@router.get("/{list_number}")
def get_list(request: Request, list_number: str) -> Response:
    """One of them with its titles, the best first unless `sort` says otherwise."""
    caller = caller_anywhere(request)
    if not (list_number.isascii() and list_number.isdigit()):
        raise BadParameter("Invalid watchlist ID")
    row = next((one for one in _rows(request, caller) if str(one["number"]) == list_number), None)
    if row is None:
        raise NoSuchList
    titles = _sorted(row["titles"], request.query_params.get("type"), request.query_params.get("sort"))
    if request.query_params.get("format") == "ids":
        return as_json({"data": {"id": row["number"], "name": row["title"], "items": [one["item"]["id"] for one in titles]}})
    items = [
        {
            "id": row["number"] * 1000 + place, "watchlistId": row["number"], "itemId": one["item"]["id"], "position": place,
            "addedAt": one["addedAt"], "item": one["item"],
        }
        for place, one in enumerate(titles)
    ]  # fmt: skip
    return as_json({"data": _list(caller, row) | {"items": items}})


@router.post("")
@router.api_route("/{rest:path}", methods=["POST", "PUT", "PATCH", "DELETE"])
async def change_nothing() -> Response:
    raise NotOffered("These lists are Palate's own and change by themselves. To keep a list of your own, use a playlist of Jellyfin's.")


def _rows(request: Request, caller: Caller) -> list[dict[str, Any]]:
    """The rows of this user's home page, in its order; none where they are not known here yet."""
    user_id = caller.user.id

    def content(page: Home, _slate_id: uuid.UUID, now: datetime) -> list[dict[str, Any]]:
        return [_row(row, now) for row in page.rows]

    make = home_page(request.app.state, user_id, N_ITEMS, content)
    return or_nothing(lambda: held_or_made(request, caller.server.external_id, user_id, ("watchlists",), make))


def _row(row: Row, now: datetime) -> dict[str, Any]:
    titles = [
        {"item": title(one.candidate), "addedAt": iso(one.candidate.added_at or now)}
        for one in row.slate.items
        if guid(one.candidate.external_id) is not None
    ]
    # To the day, as what changes looks like another list.
    today = datetime.combine(now.date(), time(), UTC)
    return {"number": number_of(row.id), "title": row.title, "titles": titles, "madeAt": iso(today)}


def number_of(row_id: str) -> int:
    return FIRST_INTEREST + int(row_id.removeprefix(INTEREST)) if row_id.startswith(INTEREST) else NUMBERS[row_id]


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _list(caller: Caller, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["number"], "serverId": caller.server.id, "userId": NOBODY, "name": row["title"], "description": None,
        "isPublic": False, "isPromoted": True, "allowedItemType": None, "defaultSortOrder": "custom",
        "createdAt": row["madeAt"], "updatedAt": row["madeAt"], "itemCount": len(row["titles"]),
    }  # fmt: skip


def _sorted(titles: list[dict[str, Any]], type: str | None, order: str | None) -> list[dict[str, Any]]:
    chosen = [one for one in titles if type not in TYPES or one["item"]["type"] == type]
    return sorted(chosen, key=ORDERS[order], reverse=order != "name") if order in ORDERS else chosen
