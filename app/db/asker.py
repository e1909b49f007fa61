"""Who asks, what they may see, and what is known of their taste: one small query at the start of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from app.db.statements import statement
from app.types import Degraded, Fault, SpaceInUse, SpaceKind, StoredTaste, Viewer


@dataclass(frozen=True)
class Asker:
    """Who asks, in which live spaces, from what tastes: by the kind of their space. `ranker_id`: the model that is live; `fault`: what is
    wrong with the text space, which is not among the spaces where nothing is left of it."""

    viewer: Viewer
    library_id: int | None
    spaces: Mapping[SpaceKind, SpaceInUse]
    tastes: Mapping[SpaceKind, StoredTaste]
    ranker_id: int | None = None
    fault: Fault | None = None

    @property
    def text_fault(self) -> Degraded | None:
        """Why what text says is less than it should be."""
        return "no_text_space" if self.space is None and self.fault is None else self.fault

    @property
    def space(self) -> SpaceInUse | None:
        """The text space."""
        return self.spaces.get("text")


@dataclass(frozen=True)
class GivenTaste:
    """Vectors to search near that are not (yet) rows: the whole first, then facets. Empty: nothing positive is known.

    Reasons are made of the items and their weights; `labels`, `shares` and `facet_items` are the facets'; `recent_ids`: the
    latest titles watched, newest first, of `n_items` of which anything is known.
    """

    vectors: Sequence[npt.NDArray[np.float32]] = ()
    item_ids: Sequence[int] = ()
    item_weights: Sequence[float] = ()
    labels: Sequence[str | None] = ()
    shares: Sequence[float] = ()
    facet_items: Sequence[tuple[Sequence[int], Sequence[float]]] = ()
    recent_ids: Sequence[int] = ()
    n_items: int = 0

    def facet(self, number: int) -> "GivenTaste":
        """One facet alone, from 1."""
        return GivenTaste([self.vectors[number]], *self.facet_items[number - 1])


# Sees what is open to everybody: for questions that name no user.
NOBODY = Viewer(0, "", "", False, True, 0, True, [], None, [], [])


def find_asker(connection: Connection, server_id: int, user: str, library: str | None) -> Asker | None:
    values = {"server_id": server_id, "user": user, "library": library}
    row = connection.execute(statement("retrieval", "find_asker"), values).one_or_none()
    if row is None:
        return None
    viewer = Viewer(
        row.user_id, user, row.name, row.is_disabled, row.is_opted_out, row.engagement_version, row.has_all_libraries,
        list(row.library_ids), row.max_parental_age, list(row.blocked_tags), list(row.allowed_tags),
        row.grant_id,
    )  # fmt: skip
    spaces, fault = _in_use(server_id, row.spaces or ())
    tastes: dict[SpaceKind, StoredTaste] = {}
    for found in row.spaces or ():
        if found["kind"] in spaces and found["version"] is not None:
            tastes[found["kind"]] = StoredTaste(
                found["version"], found["recipe"], None if found["due_at"] is None else datetime.fromtimestamp(found["due_at"], UTC),
                found["is_known"], found["n_positive"], found["labels"] or (), found["shares"] or (),
                found["recent_ids"] or (), found["n_items"],
            )  # fmt: skip
    return Asker(viewer, row.wanted_library_id, spaces, tastes, row.ranker_id, fault)


def find_nobody(connection: Connection, server_id: int) -> Asker:
    """For a question that names no user: nothing is seen, hidden or closed."""
    rows = connection.execute(statement("retrieval", "find_live_spaces"), {"server_id": server_id})
    spaces, fault = _in_use(server_id, [dict(row._mapping) for row in rows])
    return Asker(NOBODY, None, spaces, {}, fault=fault)


def _in_use(server_id: int, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[SpaceKind, SpaceInUse], Fault | None]:
    """The live spaces that something is left of, and what is wrong with the one of text."""
    found = [row for row in rows if row["fault"] != "text_space_empty"]
    spaces = {row["kind"]: SpaceInUse(row["id"], server_id, row["kind"], row["shelf"], row["dimension"], row["strength"]) for row in found}
    return spaces, next((row["fault"] for row in rows if row["kind"] == "text"), None)
