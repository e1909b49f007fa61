"""Who asks and what is known of their taste at this moment: the stored one, or one computed for this request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.db import Connection
from app.db.asker import Asker, GivenTaste, find_asker
from app.db.searches import MAX_FACETS
from app.errors import UnknownLibrary, UnknownUser, UserDisabled
from app.recommend.effort import is_stale
from app.taste.compute import compute_tastes
from app.taste.recipes import Recipe, is_text_alone, recipe_of
from app.types import Server, SpaceKind


@dataclass(frozen=True)
class Context:
    """`given`: tastes computed now; None where the stored ones serve. `evidence`: how many items speak for them.
    `is_computed`: the stored ones were too old, whether the new ones hold anything or not.

    `kinds`: of the spaces in which something positive is known, none where nothing is; `labels` and `shares` are the facets'.
    """

    asker: Asker
    given: Mapping[SpaceKind, GivenTaste] | None
    kinds: Sequence[SpaceKind]
    evidence: int | None
    labels: Sequence[str | None] = ()
    shares: Sequence[float] = ()
    is_computed: bool = False

    @property
    def recent(self) -> tuple[Sequence[int], int]:
        """Our ids of the latest titles watched, newest first, and of how many something is known."""
        taste = self.asker.tastes.get("collab") if self.given is None else self.given.get("collab")
        return ((), 0) if taste is None else (taste.recent_ids, taste.n_items)

    @property
    def is_known(self) -> bool:
        return bool(self.kinds)

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
    if is_text_alone(server):
        asker = replace(asker, spaces={kind: space for kind, space in asker.spaces.items() if kind == "text"})
    viewer = asker.viewer
    if not asker.spaces or viewer.is_opted_out:
        return Context(asker, None, (), evidence=0)
    recipes = {kind: recipe_of(server, kind) for kind in asker.spaces}
    if any(is_stale(viewer, asker.tastes.get(kind), recipe.name, now) for kind, recipe in recipes.items()):
        return _computed(connection, asker, recipes, now)
    tastes = asker.tastes
    kinds = _usable(asker, [kind for kind, taste in tastes.items() if taste.is_known])
    evidence = max((taste.n_positive for taste in tastes.values()), default=0)
    text = tastes.get("text")
    return Context(asker, None, kinds, evidence, text.labels if text else (), text.shares if text else ())


def _computed(connection: Connection, asker: Asker, recipes: Mapping[SpaceKind, Recipe], now: datetime) -> Context:
    given = {}
    for kind, recipe in recipes.items():
        users = [(asker.viewer.user_id, asker.viewer.engagement_version)]
        [taste] = compute_tastes(connection, asker.spaces[kind], recipe, users, now)
        given[kind] = GivenTaste(
            [] if taste.vector is None else [taste.vector, *(facet.vector for facet in taste.facets)],
            taste.item_ids.tolist(),
            taste.item_weights.tolist(),
            [facet.label for facet in taste.facets],
            [facet.share for facet in taste.facets],
            [(facet.item_ids.tolist(), facet.item_weights.tolist()) for facet in taste.facets],
            taste.recent_ids.tolist(),
            taste.n_items,
        )
    kinds = _usable(asker, [kind for kind, one in given.items() if one.vectors])
    text = given.get("text", GivenTaste())
    evidence = max(len(one.item_ids) for one in given.values())
    return Context(asker, given if kinds else None, kinds, evidence, text.labels, text.shares, is_computed=True)


def _usable(asker: Asker, known: Sequence[SpaceKind]) -> tuple[SpaceKind, ...]:
    """Whoever refused everything is not known by what they watched of it: without a taste in text there is none."""
    return () if "text" in asker.spaces and "text" not in known else tuple(known)
