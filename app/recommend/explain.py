"""Where an item came from and why it is shown: nothing is said that the rows do not say."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.db.retrieval import Search
from app.types import Candidate, Source

NEW_FOR = timedelta(days=30)
WELL_RATED = 7.0


def source_of(search: Search, candidates: Sequence[Candidate]) -> Source:
    if not candidates:
        return "none"
    if search != "popular":
        return "personal"
    if any(candidate.n_users > 0 for candidate in candidates):
        return "household"
    return "popular" if any(candidate.community_rating is not None for candidate in candidates) else "new"


def sources_of(search: Search, candidate: Candidate) -> tuple[str, ...]:
    """Which search found the item."""
    if search != "popular" and candidate.similarity is not None:
        return ("text",)
    return ("popular",) if candidate.n_users > 0 or candidate.community_rating is not None else ("new",)


def reason_for(candidate: Candidate, now: datetime) -> str:
    """One sentence that follows from the row it belongs to."""
    if candidate.based_on:
        names = [reason.name for reason in candidate.based_on[:2]]
        return f"Because you watched {' and '.join(names)}"
    if candidate.similarity is not None:
        return "Close to your taste"
    if candidate.n_users > 1:
        return f"Watched by {candidate.n_users} people in this household"
    if candidate.n_users == 1:
        return "Watched in this household"
    if candidate.added_at is not None and now - candidate.added_at < NEW_FOR:
        return "New in your library"
    if candidate.community_rating is not None and candidate.community_rating >= WELL_RATED:
        return f"Well rated ({candidate.community_rating:.1f} of 10)"
    return "In your library"
