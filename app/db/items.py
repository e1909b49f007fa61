"""Single items by id, as far as a viewer may open them."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, TextClause, text

from app.db.access import access_values, open_entry
from app.db.asker import Asker
from app.db.statements import statement
from app.types import Server


@dataclass(frozen=True)
class FoundItem:
    """An item that the viewer may open, under an entry's id that they may open; `vector` is None where it has none."""

    item_id: int
    external_id: str
    name: str
    vector: npt.NDArray[np.float32] | None


def find_item(connection: Connection, server: Server, asker: Asker, entry: str) -> FoundItem | None:
    """The item that this entry is or belongs to; None where the viewer may not open it, or hid it."""
    item_id = connection.execute(statement("retrieval", "find_item_id"), {"server_id": server.id, "entry": entry}).scalar_one_or_none()
    found = [] if item_id is None else find_items(connection, server, asker, [item_id])
    return found[0] if found else None


def find_items(connection: Connection, server: Server, asker: Asker, item_ids: Sequence[int]) -> list[FoundItem]:
    """Those of these that the viewer may open and did not hide, in the given order."""
    viewer, space = asker.viewer, asker.space
    values = {
        "server_id": server.id, "user_id": viewer.user_id, "item_ids": list(item_ids),
        "shelf": space.shelf if space else 0, "space_id": space.id if space else 0,
    }  # fmt: skip
    if viewer.is_restricted:
        values |= access_values(server, viewer)
    rows = connection.execute(_find_items_sql(viewer.is_restricted), values)
    return [
        FoundItem(
            row.item_id, row.external_id, row.name, None if row.vector is None else np.array(json.loads(row.vector), dtype=np.float32)
        )
        for row in rows
    ]


@functools.cache
def _find_items_sql(is_restricted: bool) -> TextClause:
    return text(statement("retrieval", "find_items").text.format(open_entry=open_entry("i.id", is_restricted)))
