"""Where an item came from and why it is shown: nothing is said that the rows do not say."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.db.dressing import MAX_COUNTED, MIN_CLOSENESS
from app.db.searches import Search
from app.taste.labels import lowered
from app.types import Candidate, Source

NEW_FOR = timedelta(days=30)
WELL_RATED = 7.0
# Standard deviations above the mean item.
MIN_COLLAB = 1.0


def source_of(search: Search, candidates: Sequence[Candidate]) -> Source:
    if not candidates:
        return "none"
    if search != "popular":
        return "personal"
    if any(candidate.n_others for candidate in candidates):
        return "household"
    return "popular" if any(candidate.community_rating is not None for candidate in candidates) else "new"


def sources_of(search: Search, candidate: Candidate) -> tuple[str, ...]:
    """Which branches of the search found the item."""
    if search in ("popular", "newest", "in_progress", "again"):
        if search != "popular":
            return (search,)
        return ("popular",) if candidate.n_others or candidate.community_rating is not None else ("new",)
    found = {
        "collab": candidate.is_collab, "two_tower": candidate.is_two_tower, "text": candidate.is_near,
        "popular": candidate.is_popular, "title": candidate.is_titled,
    }  # fmt: skip
    return tuple(source for source, is_one in found.items() if is_one)


def reason_for(candidate: Candidate, label: str | None, now: datetime) -> str:
    """One sentence that follows from the row it belongs to; `label` is the nearest facet's."""
    if is_close(candidate) or (candidate.based_on and not candidate.n_others):
        is_of_interest = label and candidate.nearest is not None and candidate.nearest > MIN_CLOSENESS
        taste = f"your taste for {lowered(label)}" if label and is_of_interest else "your taste"
        if is_new(candidate, now) and is_close(candidate):
            return f"New, and close to {taste}"
        if candidate.based_on:
            names = [reason.name for reason in candidate.based_on[:2]]
            return f"Because you watched {' and '.join(names)}"
        return f"Close to {taste}"
    return _common_reason(candidate, now)


def is_close(candidate: Candidate) -> bool:
    """Found near the taste, and not merely nearer than what else is left."""
    found = max(candidate.similarity or 0.0, candidate.nearest or 0.0)
    is_alike = candidate.is_near and found > MIN_CLOSENESS
    learned = [(candidate.is_collab, candidate.collab), (candidate.is_two_tower, candidate.two_tower)]
    return is_alike or any(is_one and score is not None and score > MIN_COLLAB for is_one, score in learned)


def is_well_rated(candidate: Candidate) -> bool:
    return candidate.community_rating is not None and candidate.community_rating >= WELL_RATED


def is_new(candidate: Candidate, now: datetime) -> bool:
    return candidate.added_at is not None and now - candidate.added_at < NEW_FOR


def _common_reason(candidate: Candidate, now: datetime) -> str:
    if candidate.n_lately is not None and candidate.n_lately > 1:
        return "Popular in this household this month"
    if candidate.n_others == MAX_COUNTED:
        return "Watched by many others in this household"
    if candidate.n_others is not None and candidate.n_others > 1:
        return f"Watched by {candidate.n_others} others in this household"
    if candidate.n_others == 1:
        return "Watched in this household"
    if is_new(candidate, now):
        return "New in your library"
    if is_well_rated(candidate):
        return f"Well rated ({candidate.community_rating:.1f} of 10)"
    return "In your library"
