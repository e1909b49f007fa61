"""PUT /servers/{server_id}, GET /servers, GET /users"""

from typing import Annotated, Any, Literal, get_type_hints

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from app.api.auth import Credentials, authorise, open_server
from app.api.parameters import NO_NUL, Payload, ServerId, ServerPath, described_body, parse_body
from app.api.problems import documented
from app.connect.bodies import Word
from app.cron import PATTERN, checked_cron, time_zones
from app.db import servers
from app.job_types import JobName
from app.recommend.select import Selection
from app.taste.recipes import PRESETS
from app.types import Server

router = APIRouter(tags=["servers"])


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON knows no difference between 3 and 3.0.
Whole = BeforeValidator(_whole)


def _constants() -> dict[str, Any]:
    """The constants of every preset: those of one that is not chosen wait until it is."""
    found: dict[str, Any] = {}
    for preset in PRESETS.values():
        found |= {name: (kind | None, None) for name, kind in get_type_hints(preset, include_extras=True).items()}
    return found


WeightSettings = create_model("WeightSettings", __config__=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False), **_constants())


def _known_zone(value: str) -> str:
    if value not in time_zones():
        raise ValueError("is no time zone, such as Europe/Berlin")
    return value


Cron = Annotated[str, AfterValidator(checked_cron), WithJsonSchema({"type": "string", "pattern": PATTERN})]
TimeZone = Annotated[str, AfterValidator(_known_zone), WithJsonSchema({"type": "string", "enum": sorted(time_zones())})]


class ServerSettings(BaseModel):
    """What differs between households. What a missing row means is "hide" by default: a limit should err towards the careful side."""

    model_config = ConfigDict(strict=True, extra="forbid")

    unrated: Literal["hide", "show"] = "hide"
    without_library: Literal["hide", "show"] = "hide"
    guests: Literal["hide", "show"] = "hide"
    in_progress: Literal["seen", "open"] = "seen"
    watched_returns_after_days: Annotated[int, Field(ge=1, le=36_500), Whole] | None = None
    preset: Literal["palate", "streamystats"] = "palate"
    weights: WeightSettings = Field(default_factory=WeightSettings)
    variety: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = Selection.variety
    balance: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = Selection.balance
    franchise_cap: Annotated[int, Field(ge=1, le=20), Whole] | None = Selection.franchise_cap
    genre_cap: Annotated[float, Field(gt=0, le=1)] | None = Selection.genre_cap
    freshness: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = Selection.freshness
    schedule: dict[JobName, Cron] = {}
    time_zone: TimeZone | None = None


class ServerBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[Word, Field(json_schema_extra=NO_NUL)]
    kind: Literal["jellyfin", "emby", "plex", "api"] = "api"
    settings: ServerSettings = ServerSettings()


@router.put(
    "/servers/{server_id}",
    responses=documented(401, 403, 404, 413, 422, 503) | {201: {"description": "Registered"}},
    openapi_extra=described_body(ServerBody.model_json_schema()),
)
def put_server(request: Request, response: Response, key: Credentials, server_id: ServerPath, payload: Payload) -> dict[str, Any]:
    """Register a media server, or change what is known of it."""
    body = parse_body(ServerBody, payload)
    with request.app.state.work.begin() as connection:
        found = authorise(connection, request, key, "admin")
        if found.server_id is not None:
            open_server(connection, request, key, "admin", server_id)
        server, is_new = servers.put_server(connection, server_id, body.name, body.kind, body.settings.model_dump(exclude_defaults=True))
    request.app.state.reads.wrote(server_id, None)
    response.status_code = 201 if is_new else 200
    return _answer(server)


@router.get("/servers", responses=documented(401, 403, 503))
def get_servers(request: Request, key: Credentials) -> dict[str, Any]:
    """The servers that this key may see."""
    with request.app.state.serve.begin() as connection:
        found = authorise(connection, request, key, "read")
        return {"servers": [_answer(server) for server in servers.list_servers(connection, found.server_id)]}


@router.get("/users", responses=documented(401, 403, 404, 422, 503))
def get_users(
    request: Request,
    key: Credentials,
    server_id: ServerId,
    limit: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> dict[str, Any]:
    """The users of a server, by name: all, or so many after so many."""
    with request.app.state.serve.begin() as connection:
        server = open_server(connection, request, key, "read", server_id)
        users = servers.list_users(connection, server.id, limit=limit, offset=offset)
    return {
        "users": [{"user_id": user.external_id, "name": user.name, "n_plays": user.n_plays, "has_taste": user.has_taste} for user in users]
    }


def _answer(server: Server) -> dict[str, Any]:
    # Other settings than these may be stored, or other values, by another version: they are not for every reader, and no reason to fail.
    settings = ServerSettings().model_dump()
    settings |= {name: server.settings[name] for name in settings if name in server.settings}
    settings["weights"] = {name: value for name, value in (settings["weights"] or {}).items() if value is not None}
    return {"server_id": server.external_id, "name": server.name, "kind": server.kind, "settings": settings}
