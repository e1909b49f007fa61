"""Who asks, what they may see, and what is known of their taste: one small query at the start of a request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from app.db.statements import statement
from app.types import SpaceInUse, StoredTaste, Viewer


@dataclass(frozen=True)
class Asker:
    """Who asks, in which space, from what taste."""

    viewer: Viewer
    library_id: int | None
    space: SpaceInUse | None
    taste: StoredTaste | None


@dataclass(frozen=True)
class GivenTaste:
    """Vectors to search near that are not (yet) rows: the whole first, then facets. Empty: nothing positive is known.

    Reasons are made of the items and their weights; `labels`, `shares` and `facet_items` are the facets'.
    """

    vectors: Sequence[npt.NDArray[np.float32]] = ()
    item_ids: Sequence[int] = ()
    item_weights: Sequence[float] = ()
    labels: Sequence[str | None] = ()
    shares: Sequence[float] = ()
    facet_items: Sequence[tuple[Sequence[int], Sequence[float]]] = ()

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
    )  # fmt: skip
    space = None if row.space_id is None else SpaceInUse(row.space_id, server_id, row.shelf, row.dimension)
    taste = None
    if row.taste_version is not None:
        taste = StoredTaste(row.taste_version, row.recipe, row.due_at, row.is_known, row.n_positive, row.labels or (), row.shares or ())
    return Asker(viewer, row.wanted_library_id, space, taste)


def find_nobody(connection: Connection, server_id: int) -> Asker:
    """For a question that names no user: nothing is seen, hidden or closed."""
    row = connection.execute(statement("retrieval", "find_live_space"), {"server_id": server_id}).one_or_none()
    return Asker(NOBODY, None, None if row is None else SpaceInUse(row.id, server_id, row.shelf, row.dimension), None)
