"""Served slates, for evidence and for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from app.db.erase import hold_present
from app.db.tables import slates
from app.types import Slate


@dataclass(frozen=True)
class ServedSlate:
    server_id: int
    served_at: datetime
    slate: Slate


def write_slates(connection: Connection, served: Sequence[ServedSlate]) -> None:
    """Store these, without those of users who were erased since."""
    present = hold_present(connection, [(one.server_id, one.slate.user_id) for one in served])
    rows = [
        {
            "server_id": one.server_id,
            "id": one.slate.id,
            "user_id": one.slate.user_id,
            "served_at": one.served_at,
            "source": one.slate.source,
            "space_ids": list(one.slate.space_ids),
            "item_ids": [item.candidate.item_id for item in one.slate.items],
            "scores": [item.score for item in one.slate.items],
        }
        for one in served
        if (one.server_id, one.slate.user_id) in present
    ]
    if rows:
        connection.execute(insert(slates), rows)
