"""What a media server no longer has: it tells nobody, so its ids are compared with ours.

What looks like a disk that is not mounted is no deletion: a library that is gone from the list, or of which most is gone, is held until a
person says at a later sync that it may go. Where a list is not as long as its own count, nothing goes at all.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.connect.media_server import Library, MediaServer
from app.db import Engine
from app.db.missing import delete_entries, living_entries
from app.errors import BadInput
from app.types import Server
from jobs.sync_content import Changes, write_items

log = structlog.get_logger()

# More than half of a library of some size does not go in a day by itself.
MOST_AT_ONCE, FEW = 0.5, 20
PER_CHUNK = 5_000
ATTEMPTS = 2


@dataclass(frozen=True)
class Missing:
    """`held`: libraries, and why what they lack was kept. `unsure`: names of those whose lists are not as long as their counts."""

    n_deleted: int
    held: Mapping[str, str]
    unsure: Sequence[str] = ()


def sync_missing(
    engine: Engine, server: Server, media: MediaServer, libraries: Sequence[Library], held_before: Mapping[str, str],
    forget: Collection[str], now: datetime,
) -> Missing:  # fmt: skip
    """All lists are read before anything goes. Raises as the media server does, and BadInput for a library to forget that nobody held."""
    _check_forget(held_before, forget)
    with engine.begin() as connection:
        ours = living_entries(connection, server.id)
    present, unsure = _read_all(engine, server, media, libraries, ours)
    if unsure:
        # Something may have moved into a library that could not be read to its end.
        return Missing(0, held_before, unsure)
    held: dict[str, str] = {}
    gone: list[str] = []
    listed = {library.id: library.name for library in libraries}
    for library_id, entries in ours.items():
        lacking = entries - present
        reason = reason_to_hold(library_id in listed or library_id == "", len(lacking), len(entries))
        if not lacking:
            continue
        if reason is not None and library_id not in forget:
            held[library_id] = reason
            log.warning("kept what may be gone", server=server.external_id, library=library_id, n_entries=len(lacking), reason=reason)
            continue
        gone += lacking
    return Missing(_delete(engine, server, sorted(gone), now), held)


def _check_forget(held_before: Mapping[str, str], forget: Collection[str]) -> None:
    strange = sorted(set(forget) - set(held_before))
    if strange:
        names = ", ".join(sorted(held_before)) or "none"
        raise BadInput(f"No earlier sync held the library {strange[0]}. Held are: {names}.")


def _read_all(
    engine: Engine, server: Server, media: MediaServer, libraries: Sequence[Library], ours: Mapping[str, set[str]]
) -> tuple[set[str], list[str]]:
    """The ids that are there, and the names of libraries whose lists did not agree with their counts. What we lack is read."""
    present: set[str] = set()
    unsure: list[str] = []
    known = {key for entries in ours.values() for key in entries}
    for library in libraries:
        for _ in range(ATTEMPTS):
            ids, agrees = media.ids(library)
            if agrees:
                break
        else:
            unsure.append(library.name)
            log.warning("a list is not as long as its count: nothing is deleted", server=server.external_id, library=library.name)
        present |= ids
        for bodies in media.items_by_id(library, sorted(ids - known)):
            write_items(engine, server, bodies, Changes())
    return present, unsure


def reason_to_hold(is_listed: bool, n_lacking: int, n_entries: int) -> str | None:
    if not is_listed:
        return "the media server does not list this library any more"
    if n_entries >= FEW and n_lacking > MOST_AT_ONCE * n_entries:
        return f"{n_lacking:,} of {n_entries:,} entries are gone at once"
    return None


def _delete(engine: Engine, server: Server, external_ids: Sequence[str], now: datetime) -> int:
    n_deleted = 0
    for first in range(0, len(external_ids), PER_CHUNK):
        with engine.begin() as connection:
            n_deleted += delete_entries(connection, server.id, external_ids[first : first + PER_CHUNK], now)
    return n_deleted
