"""What a viewer may open: one condition on entries, in every statement that names an item."""

from typing import Any

from app.types import Server, Viewer

IN_LIBRARY = "AND (CAST(:library_id AS bigint) IS NULL OR e.library_id = :library_id)"


def open_entry(item_id: str, is_restricted: bool = True, *, in_library: str = "") -> str:
    """SQL that holds where `e` is an entry of the item that the viewer may open. Binds `access_values`; `in_library` adds IN_LIBRARY."""
    condition = f"e.server_id = :server_id AND e.item_id = {item_id} AND e.kind IN ('movie', 'series') AND e.deleted_at IS NULL"
    if not is_restricted:
        return condition
    return f"""{condition}
          AND (:has_all_libraries OR e.library_id = ANY (CAST(:library_ids AS bigint[]))
               OR e.library_id IS NULL AND :shows_without_library)
          {in_library}
          AND (CAST(:max_parental_age AS int) IS NULL OR e.parental_age <= :max_parental_age
               OR e.parental_age IS NULL AND :shows_unrated)
          AND NOT e.access_tags && CAST(:blocked_tags AS text[])
          AND (cardinality(CAST(:allowed_tags AS text[])) = 0 OR e.access_tags && CAST(:allowed_tags AS text[]))
          AND (CAST(:grant_id AS bigint) IS NULL OR EXISTS (
              -- OFFSET 0: looked up for this entry, where the planner would else read the whole set.
              SELECT FROM granted_entries a
              WHERE a.server_id = :server_id AND a.grant_id = :grant_id AND a.entry_id = e.id OFFSET 0))"""


def access_values(server: Server, viewer: Viewer) -> dict[str, Any]:
    """What `open_entry` binds, the library that is asked for aside."""
    return {
        "has_all_libraries": viewer.has_all_libraries, "library_ids": viewer.library_ids,
        "max_parental_age": viewer.max_parental_age, "blocked_tags": viewer.blocked_tags, "allowed_tags": viewer.allowed_tags,
        "grant_id": viewer.grant_id,
        "shows_unrated": server.settings.get("unrated", "hide") == "show",
        "shows_without_library": server.settings.get("without_library", "hide") == "show",
    }  # fmt: skip
