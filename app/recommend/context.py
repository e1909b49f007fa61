"""Who asks and what is known of their taste at this moment: the stored one, or one computed for this request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db import Connection
from app.db.asker import Asker, GivenTaste, find_asker
from app.db.searches import MAX_FACETS
from app.errors import UnknownLibrary, UnknownUser, UserDisabled
from app.recommend.effort import is_stale
from app.taste.compute import compute_tastes
from app.taste.recipes import recipe_of
from app.types import Server


@dataclass(frozen=True)
class Context:
    """`given`: a taste computed now; None where the stored one serves. `evidence`: how many items speak for it.

    `labels` and `shares` are the facets'; `is_known`: whether anything positive is known.
    """

    asker: Asker
    given: GivenTaste | None
    is_known: bool
    evidence: int
    labels: Sequence[str | None]
    shares: Sequence[float] = ()

    def label(self, facet: int | None) -> str | None:
        """Of a facet by its number, from 1. None where there are more than were searched: another may be nearer."""
        if facet is None or len(self.labels) > MAX_FACETS:
            return None
        return self.labels[facet - 1]


def find_context(connection: Connection, server: Server, user: str, library: str | None, now: datetime) -> Context:
    """Raises UnknownUser, UserDisabled and UnknownLibrary. Reads only."""
    asker = find_asker(connection, server.id, user, library)
    if asker is None:
        raise UnknownUser
    if asker.viewer.is_disabled:
        raise UserDisabled
    if library is not None and asker.library_id is None:
        raise UnknownLibrary
    recipe = recipe_of(server)
    if asker.space is None or asker.viewer.is_opted_out:
        return Context(asker, None, is_known=False, evidence=0, labels=())
    if not is_stale(asker, recipe.name, now):
        stored = asker.taste
        if stored is None:
            return Context(asker, None, is_known=False, evidence=0, labels=())
        return Context(asker, None, stored.is_known, stored.n_positive, stored.labels, stored.shares)
    viewer = asker.viewer
    [taste] = compute_tastes(connection, asker.space, recipe, [(viewer.user_id, viewer.engagement_version)], now)
    given = GivenTaste(
        [] if taste.vector is None else [taste.vector, *(facet.vector for facet in taste.facets)],
        taste.item_ids.tolist(),
        taste.item_weights.tolist(),
        [facet.label for facet in taste.facets],
        [facet.share for facet in taste.facets],
        [(facet.item_ids.tolist(), facet.item_weights.tolist()) for facet in taste.facets],
    )
    return Context(asker, given, taste.vector is not None, len(given.item_ids), given.labels, given.shares)
