"""How to search for this asker: by the spaces' indexes, through every row, or by popularity alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from app.db.asker import Asker
from app.types import SpaceKind, StoredTaste, Viewer


def is_stale(viewer: Viewer, taste: StoredTaste | None, recipe: str, now: datetime) -> bool:
    """Whether the stored taste must not be used as it is."""
    if viewer.is_opted_out or viewer.engagement_version == 0:
        return False
    if taste is None or taste.engagement_version < viewer.engagement_version or taste.recipe != recipe:
        return True
    return taste.due_at is not None and taste.due_at <= now


def search_for(asker: Asker, kinds: Sequence[SpaceKind]) -> Literal["near", "exact", "popular"]:
    """`kinds`: of the live spaces, those in which there is a taste to search near."""
    spaces = [asker.spaces[kind] for kind in kinds if kind in asker.spaces]
    if not spaces:
        return "popular"
    return "near" if all(space.is_indexed for space in spaces) else "exact"
