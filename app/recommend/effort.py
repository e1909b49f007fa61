"""How to search for this asker: by the space's index, through every row, or by popularity alone."""

from datetime import datetime

from app.db.retrieval import Asker, FreshTaste, Search


def is_stale(asker: Asker, now: datetime) -> bool:
    """Whether the stored taste must not be used as it is."""
    if asker.viewer.is_opted_out or asker.viewer.engagement_version == 0:
        return False
    taste = asker.taste
    return taste is None or taste.engagement_version < asker.viewer.engagement_version or (taste.due_at is not None and taste.due_at <= now)


def search_for(asker: Asker, fresh: FreshTaste | None = None) -> Search:
    if asker.space is None or asker.viewer.is_opted_out:
        return "popular"
    is_known = fresh.vector is not None if fresh is not None else asker.taste is not None and asker.taste.is_known
    if not is_known:
        return "popular"
    return "near" if asker.space.is_indexed else "exact"
