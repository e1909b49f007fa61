"""How to search for this asker: by the space's index, through every row, or by popularity alone."""

from datetime import datetime
from typing import Literal

from app.db.asker import Asker


def is_stale(asker: Asker, recipe: str, now: datetime) -> bool:
    """Whether the stored taste must not be used as it is."""
    if asker.viewer.is_opted_out or asker.viewer.engagement_version == 0:
        return False
    taste = asker.taste
    if taste is None or taste.engagement_version < asker.viewer.engagement_version or taste.recipe != recipe:
        return True
    return taste.due_at is not None and taste.due_at <= now


def search_for(asker: Asker, is_known: bool) -> Literal["near", "exact", "popular"]:
    """`is_known`: whether there is a taste to search near."""
    if asker.space is None or not is_known:
        return "popular"
    return "near" if asker.space.is_indexed else "exact"
