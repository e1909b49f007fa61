"""Features as served: read back from the slates, and how they compare with those the ranker was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from app.db.statements import statement

# Slates held at a time: 200 of 20 items and 60 features are 10 MB of Python's floats.
_AT_ONCE = 200


@dataclass(frozen=True)
class FeatureSkew:
    """One feature of one model; `psi` and `kl` None where too little was served."""

    model_id: int
    feature: str
    n_served: int
    psi: float | None
    kl: float | None
    is_flagged: bool
    computed_at: datetime


def served_features(
    connection: Connection, server_id: int, model_id: int, n_features: int, n_shown: int, since: datetime, limit: int
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Of at most `limit` slates in the order of this model, the first `n_shown` items of each: (n_slates, rows of n_features)."""
    values = {
        "server_id": server_id, "model_id": model_id, "n_features": n_features, "n_values": n_features * n_shown, "since": since,
        "limit": limit,
    }  # fmt: skip
    found = connection.execute(statement("skew", "served_features"), values, execution_options={"yield_per": _AT_ONCE})
    for rows in found.partitions():
        yield len(rows), np.concatenate([np.array(row.features, dtype=np.float32) for row in rows]).reshape(-1, n_features)


def write_skew(connection: Connection, server_id: int, skews: Sequence[FeatureSkew]) -> None:
    """In place of what was written of the server before, of this model or another."""
    connection.execute(statement("skew", "forget_skew"), {"server_id": server_id})
    if skews:
        rows = [
            {
                "server_id": server_id, "model_id": one.model_id, "feature": one.feature, "n_served": one.n_served, "psi": one.psi,
                "kl": one.kl, "is_flagged": one.is_flagged, "now": one.computed_at,
            }
            for one in skews
        ]  # fmt: skip
        connection.execute(statement("skew", "write_skew"), rows)


def read_skew(connection: Connection, server_id: int) -> list[FeatureSkew]:
    """The largest first."""
    rows = connection.execute(statement("skew", "read_skew"), {"server_id": server_id})
    return [FeatureSkew(**row._mapping) for row in rows]


def skew_of_all(connection: Connection) -> tuple[int, float]:
    """Over all servers: how many features are flagged, and the largest PSI."""
    row = connection.execute(statement("skew", "skew_of_all")).one()
    return row.n_flagged, row.largest_psi
