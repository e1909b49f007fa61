"""What Palate takes a person to like, for them to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db import Connection
from app.db.asker import Asker
from app.db.items import find_items
from app.db.tastes import UserFacet
from app.recommend.context import find_context
from app.taste.compute import compute_tastes, label_whole
from app.taste.recipes import recipe_of
from app.types import BasedOn, Server

MAX_SHOWN = 20


@dataclass(frozen=True)
class Interest:
    """`weight`: the share of what draws the taste, 0..1. `items` that the person may open now."""

    label: str | None
    weight: float
    items: Sequence[BasedOn]


@dataclass(frozen=True)
class Interests:
    facets: Sequence[Interest]
    computed_at: datetime | None


def interests(connection: Connection, server: Server, user: str, now: datetime) -> Interests:
    """As of now. Nothing for those who opted out, and without a text space. Raises UnknownUser and UserDisabled. Reads only."""
    asker = find_context(connection, server, user, None, now).asker
    if asker.space is None or asker.viewer.is_opted_out:
        return Interests((), None)
    users = [(asker.viewer.user_id, asker.viewer.engagement_version)]
    [taste] = compute_tastes(connection, asker.space, recipe_of(server, "text"), users, now)
    if taste.vector is None:
        return Interests((), now)
    facets = taste.facets or [
        UserFacet(taste.vector, taste.item_ids, taste.item_weights, 1.0, label_whole(connection, server.id, taste))
    ]  # fmt: skip
    named = [_named(connection, server, asker, facet) for facet in facets]
    # An interest in what they may not open any more is not theirs to read about.
    return Interests([one for one in named if one.items], now)


def _named(connection: Connection, server: Server, asker: Asker, facet: UserFacet) -> Interest:
    weights = dict(zip(facet.item_ids.tolist(), facet.item_weights.tolist(), strict=True))
    found = find_items(connection, server, asker, list(weights))[:MAX_SHOWN]
    return Interest(
        facet.label,
        round(facet.share, 4),
        [BasedOn(item.external_id, item.name, round(weights[item.item_id], 4)) for item in found],
    )
