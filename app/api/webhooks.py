"""POST /webhooks/{kind}/{server_id} and .../{secret}: what media servers tell while it happens"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic_core import from_json
from starlette.datastructures import UploadFile

from app.api.auth import counts_by_itself
from app.api.metrics import INGESTED_ROWS
from app.api.parameters import NO_NUL, ServerPath, described_body
from app.api.problems import documented
from app.api.webhook_secret import sent_secret
from app.api.write_slots import WriteSlot
from app.connect import emby_webhook, jellyfin_webhook, plex_webhook
from app.connect.live import take
from app.connect.news import News
from app.db.live import find_webhook
from app.errors import BadRequest, BadSecret, UnclearNews, UnknownKind
from app.types import Server, ServerKind

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

Read = Callable[[Mapping[str, Any], datetime], News]
READERS: Mapping[ServerKind, Read] = {
    "jellyfin": jellyfin_webhook.read_webhook, "emby": emby_webhook.read_webhook, "plex": plex_webhook.read_webhook,
}  # fmt: skip
# Plex sends its JSON in a form's `payload`, beside a picture; Emby may send it as `data`.
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
FIELDS = ("payload", "data")

Kind = Annotated[str, Path(description=f"One of {', '.join(READERS)}.", json_schema_extra={"enum": list(READERS)})]
SecretPath = Annotated[
    str, Path(alias="secret", min_length=1, max_length=256, description="The webhook's secret.", json_schema_extra=NO_NUL)
]
BODY = {"type": "object", "description": "As the media server sends it."}
DESCRIBED = described_body(BODY, **{"text/plain": {"type": "string"}, FORMS[0]: {"type": "object"}})
RESPONSES = documented(400, 401, 404, 408, 413, 422, 503)


def open_webhook(request: Request, server_id: ServerPath) -> Server:
    """The server, if this is a secret of its webhooks. Raises BadSecret, which says nothing of the server, before the body is read."""
    digest = sent_secret(request.scope)
    if digest is None:
        raise BadSecret
    with request.app.state.serve.begin() as connection:
        server = find_webhook(connection, server_id, digest)
    if server is None:
        raise BadSecret
    counts_by_itself(request)
    return server


Opened = Annotated[Server, Depends(open_webhook)]


async def read_payload(request: Request, _opened: Opened) -> bytes:
    """The JSON, from those who have a secret. Raises BodyTooLarge as soon as it is, and BodyTooSlow."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in FORMS:
        return await request.body()
    async with request.form(max_files=2, max_fields=20) as form:
        value = next((form[name] for name in FIELDS if name in form), None)
        if value is None:
            raise BadRequest(f"The form has none of the fields {', '.join(FIELDS)}.")
        return await value.read() if isinstance(value, UploadFile) else value.encode()


Sent = Annotated[bytes, Depends(read_payload)]


@router.post("/{kind}/{server_id}", responses=RESPONSES, openapi_extra=DESCRIBED)
def take_webhook(request: Request, kind: Kind, server: Opened, payload: Sent, _slot: WriteSlot) -> dict[str, Any]:
    """From senders that can set a header: `Authorization: Bearer SECRET` or `X-Palate-Secret: SECRET`."""
    return _take(request, kind, server, payload)


@router.post("/{kind}/{server_id}/{secret}", responses=RESPONSES, openapi_extra=DESCRIBED)
def take_webhook_with_secret(
    request: Request, kind: Kind, _secret: SecretPath, server: Opened, payload: Sent, _slot: WriteSlot
) -> dict[str, Any]:
    """From senders that can't. The address is in no log of Palate's."""
    return _take(request, kind, server, payload)


def _take(request: Request, kind: str, server: Server, payload: bytes) -> dict[str, Any]:
    known: ServerKind | None = next((one for one in READERS if one == kind), None)
    if known is None:
        raise UnknownKind
    now = datetime.now(UTC)
    try:
        news = READERS[known](_parse(payload), now)
    except UnclearNews:
        INGESTED_ROWS.labels("webhooks", "rejected").inc()
        raise
    with request.app.state.work.begin() as connection:
        taken = take(connection, server, known, news, now)
    if taken.user_id is not None:
        request.app.state.reads.wrote(server.external_id, {taken.user_id})
    INGESTED_ROWS.labels("webhooks", "unchanged" if taken.what == "nothing" else "updated").inc()
    return {"taken": taken.what} if taken.reason is None else {"taken": taken.what, "reason": taken.reason}


def _parse(payload: bytes) -> Mapping[str, Any]:
    try:
        found = from_json(payload)
    except ValueError as error:
        raise UnclearNews(f"The body is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise UnclearNews("The body is no JSON object.")
    return found
