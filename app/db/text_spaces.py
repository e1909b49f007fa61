"""Which text space serves: the live one, the one before it that is kept, and what is done when the live one has lost its vectors."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.db import spaces
from app.db.statements import statement
from app.errors import SpaceNotKept, UnknownSpace
from app.types import Fault, Space

# Of the vectors that the live space held when it was last filled. With fewer lost, what it says of the rest is better than an older model.
MAX_LOST = 0.1


@dataclass(frozen=True)
class TextSpaces:
    """Of one server, at most one of each."""

    live: Space | None
    building: Space | None
    kept: Space | None


@dataclass(frozen=True)
class ListedSpace:
    """`n_missing`: items whose text has no vector in it, or changed since; None where vectors are not made of text."""

    space: Space
    created_at: datetime
    live_at: datetime | None
    kept_at: datetime | None
    n_vectors: int
    n_missing: int | None


def text_spaces(connection: Connection, server_id: int) -> TextSpaces:
    found = {space.status: space for space in spaces.spaces_of_kind(connection, server_id, "text", ("live", "building", "kept"))}
    return TextSpaces(found.get("live"), found.get("building"), found.get("kept"))


def list_spaces(connection: Connection, server_id: int) -> list[ListedSpace]:
    """Of every kind, the newest first."""
    listed = []
    for row in connection.execute(statement("text_spaces", "list_spaces"), {"server_id": server_id}).all():
        space = spaces.find_space(connection, server_id, row.id)
        if space is not None:
            n_missing = spaces.n_items_to_embed(connection, space) if space.kind == "text" else None
            n_vectors = spaces.n_vectors(connection, space)
            listed.append(ListedSpace(space, row.created_at, row.live_at, row.kept_at, n_vectors, n_missing))
    return listed


def go_back(connection: Connection, server_id: int, space_id: int, pinned_over: str | None, now: datetime) -> tuple[Space, int]:
    """The kept text space serves at once, the one that did is kept. Returns it, and how many items have no vector in it yet.

    It stays live while the setting names the model `pinned_over`. Raises UnknownSpace and SpaceNotKept.
    """
    spaces.hold_live(connection, server_id)
    space = spaces.find_space(connection, server_id, space_id)
    if space is None:
        raise UnknownSpace
    if space.kind != "text" or space.status != "kept":
        raise SpaceNotKept(f"Space {space_id} is a {space.status} {space.kind} space. Only a text space that is kept can be gone back to.")
    n_vectors, n_missing = spaces.n_vectors(connection, space), spaces.n_items_to_embed(connection, space)
    if n_vectors == 0 and n_missing > 0:
        raise SpaceNotKept(f"Space {space_id} has lost its vectors: there is nothing to go back to.")
    spaces.go_live(connection, space, now, pinned_over=pinned_over)
    return space, n_missing


def unpin(connection: Connection, server_id: int) -> bool:
    """The live text space follows the setting again. Whether it did not."""
    return connection.execute(statement("text_spaces", "unpin"), {"server_id": server_id}).rowcount > 0


def note_filled(connection: Connection, space: Space) -> None:
    """What it holds now is what it is expected to hold, and nothing is wrong with it."""
    values = {"server_id": space.server_id, "space_id": space.id, "shelf": space.shelf}
    connection.execute(statement("text_spaces", "note_filled"), values)


def note_losses(connection: Connection, server_id: int, now: datetime) -> Fault | None:
    """Where the live text space has lost its vectors, the kept one serves in its place, if it has more; else what is left. Requests read
    which it is with the space itself, so that none has to count. Returns what was newly found to be wrong."""
    live = spaces.live_space(connection, server_id, "text")
    if live is None or not _has_lost(connection, live):
        return None
    spaces.hold_live(connection, server_id)
    found = text_spaces(connection, server_id)
    live, kept = found.live, found.kept
    if live is None or not _has_lost(connection, live):
        return None
    n_left = spaces.n_vectors(connection, live)
    if kept is not None and spaces.n_vectors(connection, kept) > n_left:
        spaces.go_live(connection, kept, now, fault="previous_text_space")
        return "previous_text_space"
    fault: Fault = "text_space_incomplete" if n_left else "text_space_empty"
    values = {"server_id": server_id, "space_id": live.id, "fault": fault}
    connection.execute(statement("text_spaces", "set_fault"), values)
    return None if live.fault == fault else fault


def _has_lost(connection: Connection, live: Space) -> bool:
    if live.n_vectors is None:
        note_filled(connection, live)
        return False
    return spaces.n_vectors(connection, live) < (1 - MAX_LOST) * live.n_vectors


def retire_kept(connection: Connection, server_id: int, before: datetime) -> int:
    """Spaces that stopped being live before this are kept no longer. Returns how many."""
    spaces.hold_live(connection, server_id)
    values = {"server_id": server_id, "before": before}
    return connection.execute(statement("text_spaces", "retire_kept"), values).rowcount
