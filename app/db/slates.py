"""Served slates, for evidence and for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from app.db.tables import slates
from app.types import Slate


@dataclass(frozen=True)
class ServedSlate:
    server_id: int
    served_at: datetime
    slate: Slate


def write_slates(connection: Connection, served: Sequence[ServedSlate]) -> None:
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
    ]
    connection.execute(insert(slates), rows)
