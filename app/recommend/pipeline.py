"""One request: who asks, how fresh their taste is, what is found, why."""

from datetime import datetime
from uuid import UUID

from app.db import Connection
from app.db.retrieval import Asker, FreshTaste, Search, find_asker, retrieve
from app.errors import UnknownLibrary, UnknownUser, UserDisabled
from app.recommend.effort import is_stale, search_for
from app.recommend.explain import reason_for, source_of, sources_of
from app.taste.compute import compute_tastes
from app.types import Candidate, Filters, Server, Slate, SlateItem


def recommend(
    connection: Connection, server: Server, user: str, filters: Filters, *,
    limit: int, offset: int, explain: bool, now: datetime, slate_id: UUID,
) -> Slate:  # fmt: skip
    """Raises UnknownUser, UserDisabled and UnknownLibrary. Reads only."""
    asker = find_asker(connection, server.id, user, filters.library_id)
    if asker is None:
        raise UnknownUser
    if asker.viewer.is_disabled:
        raise UserDisabled
    if filters.library_id is not None and asker.library_id is None:
        raise UnknownLibrary
    fresh = _fresh_taste(connection, asker, now)
    search = search_for(asker, fresh)
    candidates = retrieve(connection, server, asker, filters, search, limit=limit, offset=offset, explain=explain, fresh=fresh)
    if search == "near" and len(candidates) < limit:
        # The index's scan ended before enough eligible items were met.
        search = "exact"
        candidates = retrieve(connection, server, asker, filters, search, limit=limit, offset=offset, explain=explain, fresh=fresh)
    source = source_of(search, candidates)
    return Slate(
        id=slate_id,
        user_id=asker.viewer.user_id,
        source=source,
        degraded=("no_text_space",) if asker.space is None else (),
        space_ids=(asker.space.id,) if asker.space is not None and search != "popular" else (),
        items=[_slate_item(candidate, offset + rank, search, explain, now) for rank, candidate in enumerate(candidates, start=1)],
        next_offset=offset + limit if len(candidates) == limit else None,
    )


def _fresh_taste(connection: Connection, asker: Asker, now: datetime) -> FreshTaste | None:
    """A taste computed now, where the stored one is missing, older than the viewer's engagement, or due."""
    if asker.space is None or not is_stale(asker, now):
        return None
    viewer = asker.viewer
    [taste] = compute_tastes(connection, asker.space, [(viewer.user_id, viewer.engagement_version)], now)
    return FreshTaste(taste.vector, taste.item_ids.tolist(), taste.item_weights.tolist())


def _slate_item(candidate: Candidate, rank: int, search: Search, explain: bool, now: datetime) -> SlateItem:
    reason = reason_for(candidate, now) if explain else ""
    return SlateItem(candidate, rank, candidate.score, sources_of(search, candidate), reason)
