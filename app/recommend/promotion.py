"""Whether a model may take the place of what serves: by how both did on the same cases, unless somebody says why all the same."""

import re
import shlex
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.db import Connection, models
from app.errors import BadReason, PromotionRefused
from app.types import Model, Server

log = structlog.get_logger()

MAX_REASON = 500
# One line, and something in it. Half a sign (a surrogate) is a byte of a command line that was no text.
REASON = re.compile(r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True)
class Comparison:
    """NDCG@10 of a model minus that of what serves, with its 95% interval, over the same `n_cases`."""

    difference: float
    low: float
    high: float
    n_cases: int

    @property
    def is_worse(self) -> bool:
        return self.high < 0

    def __str__(self) -> str:
        return f"NDCG@10 {self.difference:+.4f} (95% interval {self.low:+.4f} to {self.high:+.4f}, {self.n_cases:,} cases)"


def promote(connection: Connection, server: Server, model_id: int, reason: str | None, now: datetime) -> Model:
    """Put a model live that is not worse than what is. With a `reason`, which is kept, whatever the figures say.

    Raises UnknownModel, BadReason, ModelDamaged, PromotionRefused. Two at once are asked one after the other, the second beside what the
    first made live.
    """
    if reason is not None and (len(reason) > MAX_REASON or not REASON.fullmatch(reason)):
        raise BadReason
    models.read_bytes(connection, server.id, model_id)
    models.hold(connection, server.id)
    model = models.get_model(connection, server.id, model_id)
    if model.status == "live":
        return model
    live = models.live_model(connection, server.id, model.kind)
    found = comparison_with(model, live)
    if reason is None:
        _check(server, model, live, found)
    promoted = models.promote(connection, server.id, model_id, reason, now)
    said = {"server": server.external_id, "model_id": model_id, "figures": str(found or "not compared")}
    if reason is None:
        log.info("model promoted", **said)
    else:
        log.warning("model promoted for a reason", **said, reason=reason)
    return promoted


def rollback(connection: Connection, server: Server, now: datetime) -> Model | None:
    """What served before serves again: the model that is live then, or None, which is fused scores. Raises NothingToRollBack."""
    live = models.rollback(connection, server.id, now)
    log.warning("model rolled back", server=server.external_id, model_id=None if live is None else live.id)
    return live


def comparison_with(model: Model, live: Model | None) -> Comparison | None:
    """What is stored of the model beside what serves: the live model, or fused scores; None where they were not compared."""
    found = model.metrics.get("against", {}).get(models.against(None if live is None else live.id))
    if found is None or found.get("ci95") is None:
        return None
    low, high = found["ci95"]
    return Comparison(found["ndcg@10"], low, high, found["n_cases"])


def _check(server: Server, model: Model, live: Model | None, found: Comparison | None) -> None:
    name, serving = ("fused", "fused scores, which serve now") if live is None else (live.id, f"model {live.id}, which is live")
    if found is None:
        command = f"palate models compare {model.id} {name} --server {shlex.quote(server.external_id)}"
        raise PromotionRefused(f"Model {model.id} was not compared with {serving}. Run {command} first, or say why with a reason.")
    if found.is_worse:
        raise PromotionRefused(
            f"Model {model.id} is worse than {serving}: {found}. Train another, or say why all the same with a reason, which is recorded."
        )
