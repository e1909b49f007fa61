"""POST /ingest/items, /ingest/users, /ingest/plays, /ingest/signals"""

import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic_core import from_json

from app.api.auth import Credentials, open_server
from app.api.metrics import INGESTED_ROWS
from app.api.parameters import NO_NUL, Payload, described_body
from app.api.problems import documented
from app.api.write_slots import WriteSlot
from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS, ItemBody, PlayBody, Reader, SignalBody, UserBody
from app.db import Connection, ingest
from app.errors import BadRequest, BodyTooLarge
from app.ingest_types import IngestOutcome, Rejection

router = APIRouter(prefix="/ingest", tags=["ingest"])

MAX_ROWS = 10_000
SOURCE = "api"

NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines")
Write = Callable[[Connection, int, Sequence[Any]], IngestOutcome]
NdjsonServer = Annotated[
    str | None, Query(min_length=1, max_length=256, description="The media server, where the body is NDJSON.", json_schema_extra=NO_NUL)
]


def _described(name: str, body: type[Any]) -> dict[str, Any]:
    """The OpenAPI description of a body that is read row by row."""
    row = body.model_json_schema()
    envelope = {
        "type": "object",
        "properties": {
            "server_id": {"type": "string", "minLength": 1, "maxLength": 256} | NO_NUL,
            name: {"type": "array", "maxItems": MAX_ROWS, "items": row},
        },
        "required": ["server_id", name],
        "$defs": row.pop("$defs", {}),
    }
    return described_body(envelope, **{NDJSON[0]: {"type": "string"}})


RESPONSES = documented(400, 401, 403, 404, 413, 422, 503)


@router.post("/items", responses=RESPONSES, openapi_extra=_described("items", ItemBody))
def ingest_items(request: Request, key: Credentials, payload: Payload, _slot: WriteSlot, server_id: NdjsonServer = None) -> dict[str, Any]:
    """Films, series, seasons and episodes; in any order, as often as you like."""
    return _ingest(request, key, payload, server_id, "items", ITEMS, ingest.ingest_items)


@router.post("/users", responses=RESPONSES, openapi_extra=_described("users", UserBody))
def ingest_users(request: Request, key: Credentials, payload: Payload, _slot: WriteSlot, server_id: NdjsonServer = None) -> dict[str, Any]:
    """Users and what they may see."""
    return _ingest(request, key, payload, server_id, "users", USERS, ingest.ingest_users)


@router.post("/plays", responses=RESPONSES, openapi_extra=_described("plays", PlayBody))
def ingest_plays(request: Request, key: Credentials, payload: Payload, _slot: WriteSlot, server_id: NdjsonServer = None) -> dict[str, Any]:
    """What was watched. The same `play_id` again may say more of the same sitting."""
    return _ingest(request, key, payload, server_id, "plays", PLAYS, lambda c, s, rows: ingest.ingest_plays(c, s, SOURCE, rows))


@router.post("/signals", responses=RESPONSES, openapi_extra=_described("signals", SignalBody))
def ingest_signals(
    request: Request, key: Credentials, payload: Payload, _slot: WriteSlot, server_id: NdjsonServer = None
) -> dict[str, Any]:
    """Ratings, favourites, likes, the watch-list, what is hidden, what was marked watched."""
    return _ingest(request, key, payload, server_id, "signals", SIGNALS, lambda c, s, rows: ingest.ingest_signals(c, s, SOURCE, rows))


def _ingest(
    request: Request, key: bytes, payload: bytes, server_id: str | None, name: str, reader: Reader[Any], write: Write
) -> dict[str, Any]:
    server_id, values = _parse(request, payload, server_id, name)
    with request.app.state.work.begin() as connection:
        server = open_server(connection, request, key, "ingest", server_id)
        rows, indexes, rejected = reader.read(values)
        outcome = write(connection, server.id, rows)
    request.app.state.reads.wrote(server_id, _users_of(values) if name in ("plays", "signals") else None)
    # The database counts among the rows that could be read; the caller counts among those sent.
    refused = [replace(rejection, index=indexes[rejection.index]) for rejection in outcome.rejected]
    everything = sorted([*rejected, *refused], key=lambda rejection: rejection.index)
    return _answer(name, len(values), outcome, everything)


def _users_of(values: list[Any]) -> set[str]:
    """Whose next answer is to know of these rows."""
    return {user for value in values if isinstance(value, dict) and isinstance(user := value.get("user_id"), str)}


def _answer(name: str, n_received: int, outcome: IngestOutcome, rejected: list[Rejection]) -> dict[str, Any]:
    counts = {"created": outcome.created, "updated": outcome.updated, "unchanged": outcome.unchanged}
    for what, count in (*counts.items(), ("rejected", len(rejected))):
        INGESTED_ROWS.labels(name, what).inc(count)
    return {"received": n_received, **counts, "rejected": [{"index": one.index, "error": one.error} for one in rejected]}


def _parse(request: Request, payload: bytes, server_id: str | None, name: str) -> tuple[str, list[Any]]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in NDJSON:
        if server_id is None:
            raise BadRequest(f"NDJSON names its server in the query: POST /ingest/{name}?server_id=...")
        lines = (line for line in io.BytesIO(payload) if line.strip())
        values = [_parse_line(line) for line in itertools.islice(lines, MAX_ROWS + 1)]
    else:
        server_id, values = _parse_envelope(payload, name)
    if "\x00" in server_id:
        raise BadRequest("server_id must not contain a NUL character.")
    if len(values) > MAX_ROWS:
        raise BodyTooLarge(f"At most {MAX_ROWS:,} rows a call. Send them in several calls.")
    return server_id, values


def _parse_line(line: bytes) -> Any:
    try:
        return from_json(line)
    except ValueError as error:
        return ValueError(f"not valid JSON: {error}")


def _parse_envelope(payload: bytes, name: str) -> tuple[str, list[Any]]:
    try:
        body = from_json(payload)
    except ValueError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
    if not isinstance(body, dict) or not isinstance(body.get("server_id"), str) or not isinstance(body.get(name), list):
        raise BadRequest(f'The body must be {{"server_id": "...", "{name}": [...]}}, or NDJSON with a content type of {NDJSON[0]}.')
    return body["server_id"], body[name]
