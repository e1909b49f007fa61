"""The registry: models as rows. At most one of a kind is live on a server, and the one that served before it is kept to go back to."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.db.statements import statement
from app.errors import ModelDamaged, ModelTooLarge, NothingToRollBack, UnknownModel
from app.types import Model, ModelKind

# What the table takes too.
MAX_MODEL_BYTES = 50 << 20
# The latest of a night's or an afternoon's trials; older ones were passed over.
N_CANDIDATES = 5
# In metrics.against: what serves where no model is live.
FUSED = "fused"


@dataclass(frozen=True)
class LiveModel:
    server_id: int
    id: int
    size_bytes: int


def create_model(
    connection: Connection,
    server_id: int,
    name: str,
    content: bytes,
    *,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    data_window: Mapping[str, Any],
    card: Mapping[str, Any],
    code_revision: str,
    now: datetime,
    kind: ModelKind = "ranker",
) -> int:
    """Store a candidate. Raises ModelTooLarge."""
    if len(content) > MAX_MODEL_BYTES:
        raise ModelTooLarge(
            f"The model has {len(content) / (1 << 20):.1f} MB, and may have {MAX_MODEL_BYTES >> 20}. "
            "Train it with fewer trees or leaves, or shorter vectors."
        )
    values = {
        "server_id": server_id, "kind": kind, "name": name, "parameters": json.dumps(parameters), "metrics": json.dumps(metrics),
        "data_window": json.dumps(data_window), "card": json.dumps(card), "code_revision": code_revision, "digest": digest_of(content),
        "content": content, "now": now,
    }  # fmt: skip
    return int(connection.execute(statement("models", "create_model"), values).scalar_one())


def list_models(connection: Connection, server_id: int) -> list[Model]:
    """Those made or promoted last come first."""
    return _models(connection, server_id)


def get_model(connection: Connection, server_id: int, model_id: int) -> Model:
    """Raises UnknownModel, also of another server's."""
    found = _models(connection, server_id, model_id=model_id)
    if not found:
        raise UnknownModel
    return found[0]


def live_model(connection: Connection, server_id: int, kind: ModelKind = "ranker") -> Model | None:
    return next(iter(_models(connection, server_id, kind=kind, status="live")), None)


def kept_model(connection: Connection, server_id: int, kind: ModelKind = "ranker") -> Model | None:
    """The one that served before the live one, or before fused scores where none is live."""
    return next(iter(_models(connection, server_id, kind=kind, status="kept")), None)


def live_models(connection: Connection, only: int | None = None) -> list[LiveModel]:
    """Of all servers, or `only` this one, the latest promoted first."""
    return [LiveModel(**row._mapping) for row in connection.execute(statement("models", "live_models"), {"only": only})]


def read_bytes(connection: Connection, server_id: int, model_id: int) -> bytes:
    """Raises UnknownModel; ModelDamaged where they are not the bytes that were stored."""
    row = connection.execute(statement("models", "read_bytes"), {"server_id": server_id, "model_id": model_id}).one_or_none()
    if row is None:
        raise UnknownModel
    content = bytes(row.bytes)
    if digest_of(content) != row.digest:
        raise ModelDamaged(f"The bytes of model {model_id} are not those that were stored. Roll back or promote another, or train again.")
    return content


def write_comparison(connection: Connection, server_id: int, model_id: int, other: int | None, difference: Mapping[str, Any]) -> None:
    """Keep how much better the model did than another, or than fused scores (None): `{"ndcg@10", "ci95": [low, high], "n_cases"}`, this
    minus the other, case by case. Raises UnknownModel."""
    values = {"server_id": server_id, "model_id": model_id, "other": against(other), "difference": json.dumps(difference)}
    if connection.execute(statement("models", "write_comparison"), values).rowcount == 0:
        raise UnknownModel


def against(other: int | None) -> str:
    """The name of a model, or of fused scores (None), in `metrics["against"]`."""
    return FUSED if other is None else str(other)


def hold(connection: Connection, server_id: int, kind: ModelKind = "ranker") -> None:
    """Which model is live, and which is kept, stays as it is for others until this transaction ends."""
    connection.execute(statement("models", "hold"), {"server_id": server_id, "kind": kind}).all()


def promote(connection: Connection, server_id: int, model_id: int, because: str | None, now: datetime) -> Model:
    """The model goes live, the one that was is kept, and the one kept before is retired. Of the one that is live nothing changes.

    Raises UnknownModel. Whether it should, `app.recommend.promotion` says.
    """
    model = get_model(connection, server_id, model_id)
    hold(connection, server_id, model.kind)
    live = live_model(connection, server_id, model.kind)
    if live is not None and live.id == model_id:
        return live
    of_kind, of_model = {"server_id": server_id, "kind": model.kind}, {"server_id": server_id, "model_id": model_id}
    connection.execute(statement("models", "retire_kept"), of_kind)
    connection.execute(statement("models", "keep_live"), of_kind)
    connection.execute(statement("models", "go_live"), of_model | {"now": now})
    connection.execute(statement("models", "say_why"), of_model | {"because": because})
    return get_model(connection, server_id, model_id)


def rollback(connection: Connection, server_id: int, now: datetime, kind: ModelKind = "ranker") -> Model | None:
    """What served before serves again, and what serves is kept in its place: twice, and all is as it was. None: fused scores serve,
    as they did before the first model. Raises NothingToRollBack."""
    hold(connection, server_id, kind)
    live, kept = live_model(connection, server_id, kind), kept_model(connection, server_id, kind)
    if live is None and kept is None:
        raise NothingToRollBack
    connection.execute(statement("models", "keep_live"), {"server_id": server_id, "kind": kind})
    if kept is None:
        return None
    connection.execute(statement("models", "go_live"), {"server_id": server_id, "model_id": kept.id, "now": now})
    return get_model(connection, server_id, kept.id)


def prune(connection: Connection, server_id: int, kind: ModelKind = "ranker") -> int:
    """Delete what is retired, and all but the newest candidates. Returns how many models went."""
    hold(connection, server_id, kind)
    values = {"server_id": server_id, "kind": kind, "n_candidates": N_CANDIDATES}
    return connection.execute(statement("models", "prune"), values).rowcount


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _models(
    connection: Connection, server_id: int, *, kind: ModelKind | None = None, status: str | None = None, model_id: int | None = None
) -> list[Model]:
    values = {"server_id": server_id, "kind": kind, "status": status, "model_id": model_id}
    return [Model(**row._mapping) for row in connection.execute(statement("models", "models"), values)]
