"""Served slates, for evidence and for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from app.db.erase import hold_present
from app.db.statements import statement
from app.db.tables import slates
from app.types import Slate


@dataclass(frozen=True)
class ServedSlate:
    """`row_id`: of the home page, where it was a row of one."""

    server_id: int
    served_at: datetime
    slate: Slate
    row_id: str = "recommendations"


def write_slates(connection: Connection, served: Sequence[ServedSlate]) -> None:
    """Store these, without those of users who opted out, or were erased since."""
    present = hold_present(connection, [(one.server_id, one.slate.user_id) for one in served])
    rows = [_row(one) for one in served if (one.server_id, one.slate.user_id) in present]
    if rows:
        connection.execute(insert(slates), rows)


def _row(one: ServedSlate) -> dict[str, object]:
    slate = one.slate
    return {
        "server_id": one.server_id,
        "id": slate.id,
        "row_id": one.row_id,
        "user_id": slate.user_id,
        "served_at": one.served_at,
        "source": slate.source,
        "space_ids": list(slate.space_ids),
        "model_id": slate.model_id,
        "first_rank": slate.items[0].rank if slate.items else 1,
        "item_ids": [item.candidate.item_id for item in slate.items],
        "scores": [item.score for item in slate.items],
        "sources": ["+".join(item.sources) for item in slate.items],
        "features": None if slate.features is None else slate.features.ravel().tolist(),
    }


def prune_slates(connection: Connection, server_id: int, before: datetime, limit: int) -> int:
    """Delete at most `limit` that were served before, the oldest first. Returns how many."""
    values = {"server_id": server_id, "before": before, "limit": limit}
    return connection.execute(statement("slates", "prune_slates"), values).rowcount


def prune_shown(connection: Connection, server_id: int, before: datetime, limit: int) -> int:
    """Delete at most `limit` signals of what was shown or clicked that came before, the oldest first. Returns how many."""
    values = {"server_id": server_id, "before": before, "limit": limit}
    return connection.execute(statement("slates", "prune_shown"), values).rowcount


def forget_slates(connection: Connection, server_id: int) -> int:
    """Delete those of users who opted out since. Returns how many."""
    return connection.execute(statement("slates", "forget_slates"), {"server_id": server_id}).rowcount
