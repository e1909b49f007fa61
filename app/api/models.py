"""GET /admin/models, POST /admin/models/{model_id}/promote, POST /admin/models/rollback"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from app.api.auth import Credentials, open_server
from app.api.parameters import Payload, ServerId, described_optional_body, parse_body
from app.api.problems import documented
from app.db import models
from app.recommend import promotion
from app.types import Model

router = APIRouter(prefix="/admin/models", tags=["models"])

ModelPath = Annotated[int, Path(ge=1, le=2**63 - 1, description="Id of the model, as GET /admin/models lists it.")]
# Told in the description only: promotion refuses what a command sends, too.
LINE = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
REASON = {"minLength": 1, "maxLength": promotion.MAX_REASON, "pattern": LINE}


class PromotionBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    reason: Annotated[str, Field(json_schema_extra=REASON)] | None = None


@router.get("", responses=documented(401, 403, 404, 422, 503))
def get_models(request: Request, key: Credentials, server_id: ServerId) -> dict[str, Any]:
    """The models of a server, with their figures; those made or promoted last come first."""
    with request.app.state.serve.begin() as connection:
        server = open_server(connection, request, key, "admin", server_id)
        return {"models": [_answer(model) for model in models.list_models(connection, server.id)]}


@router.post(
    "/{model_id}/promote",
    responses=documented(401, 403, 404, 409, 413, 422, 503),
    openapi_extra=described_optional_body(PromotionBody.model_json_schema()),
)
def promote(request: Request, key: Credentials, server_id: ServerId, model_id: ModelPath, payload: Payload) -> dict[str, Any]:
    """Put a model live. Refused where it was not compared with what serves, or is worse; with a `reason`, which is recorded, it is not."""
    reason = parse_body(PromotionBody, payload or b"{}").reason
    with request.app.state.work.begin() as connection:
        server = open_server(connection, request, key, "admin", server_id)
        model = promotion.promote(connection, server, model_id, reason, datetime.now(UTC))
    request.app.state.reads.wrote(server_id, None)
    return _answer(model)


@router.post("/rollback", responses=documented(401, 403, 404, 409, 422, 503))
def rollback(request: Request, key: Credentials, server_id: ServerId) -> dict[str, Any]:
    """What served before serves again: the model before, or fused scores (`live` is null). Once more takes that back."""
    with request.app.state.work.begin() as connection:
        server = open_server(connection, request, key, "admin", server_id)
        live = promotion.rollback(connection, server, datetime.now(UTC))
        kept = models.kept_model(connection, server.id)
    request.app.state.reads.wrote(server_id, None)
    return {"live": live and _answer(live), "kept": kept and _answer(kept)}


def _answer(model: Model) -> dict[str, Any]:
    """Without the card, which is long and for those who look closer."""
    return {name: value for name, value in asdict(model).items() if name not in ("server_id", "card")}
