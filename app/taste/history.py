"""One user's engagement as arrays: what weights are made of."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DAY = 86_400.0


@dataclass(frozen=True)
class History:
    """Equally long arrays; NaN where a value is unknown. `last_at` and `first_at` in seconds since 1970, `played_ratio` not capped."""

    item_ids: npt.NDArray[np.int64]
    is_series: Flags
    n_plays: Floats
    n_episodes: Floats
    completion: Floats
    played_ratio: Floats
    rating: Floats
    last_at: Floats
    last_order: Floats
    first_at: Floats
    first_order: Floats
    is_favourite: Flags
    liking: Floats  # 1 liked, -1 disliked, 0 neither
    is_watchlisted: Flags
    is_hidden: Flags
    is_seen: Flags

    @classmethod
    def from_rows(cls, rows: npt.NDArray[Any]) -> "History":
        """From the structured array that `app.db.tastes` reads."""
        flags = {"is_series", "is_favourite", "is_watchlisted", "is_hidden", "is_seen"}
        columns: dict[str, Any] = {"item_ids": rows["item_id"]}
        for name in (field.name for field in fields(cls) if field.name != "item_ids"):
            columns[name] = rows[name] != 0 if name in flags else rows[name].astype(np.float64)
        return cls(**columns)

    def rows(self, chosen: "slice | npt.NDArray[Any]") -> "History":
        return History(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    def age_days(self, now: float) -> Floats:
        """NaN where no time is known."""
        return np.maximum(now - self.last_at, 0) / DAY


def before_all(moments: Floats) -> Floats:
    """To sort by: what is unknown came before what is known."""
    return np.where(np.isnan(moments), -np.inf, moments)
