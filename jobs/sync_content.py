"""The library of a media server: its films, series, seasons and episodes, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from app.connect.bodies import ITEMS
from app.connect.media_server import Library, MediaServer
from app.db import Engine
from app.db.ingest import ingest_items
from app.ingest_types import IngestOutcome
from app.types import Server
from jobs.sync_tally import Tally

log = structlog.get_logger()

# To map and roll up costs something whatever is in a transaction (EXPERIMENTS, syncs of a Jellyfin).
PER_TRANSACTION = 2_000


@dataclass
class Changes:
    """What became of the rows of one kind."""

    n_received: int = 0
    n_created: int = 0
    n_updated: int = 0
    n_rejected: int = 0

    @property
    def n_changed(self) -> int:
        return self.n_created + self.n_updated

    def add(self, outcome: IngestOutcome) -> None:
        self.n_received += outcome.received
        self.n_created += outcome.created
        self.n_updated += outcome.updated
        self.n_rejected += len(outcome.rejected)

    def merge(self, others: "Changes") -> None:
        self.n_received += others.n_received
        self.n_created += others.n_created
        self.n_updated += others.n_updated
        self.n_rejected += others.n_rejected


@dataclass
class Content:
    """`changed_titles`: ids of the films and series that were saved since the last sync; empty where all were read."""

    items: Changes = field(default_factory=Changes)
    changed_titles: set[str] = field(default_factory=set)


def sync_content(
    engine: Engine, server: Server, media: MediaServer, libraries: Sequence[Library], saved_since: datetime | None, tally: Tally
) -> Content:
    """All items, or those saved since then. Raises as the media server does; what came before is kept."""
    content = Content()
    waiting: list[dict[str, Any]] = []
    for library in libraries:
        for bodies in media.items(library, saved_since):
            waiting += bodies
            if len(waiting) >= PER_TRANSACTION:
                write_items(engine, server, waiting, content.items)
                waiting = []
            if saved_since is not None:
                content.changed_titles |= {body["item_id"] for body in bodies if body["type"] in ("movie", "series")}
            tally.did(len(bodies))
    write_items(engine, server, waiting, content.items)
    return content


def write_items(engine: Engine, server: Server, bodies: Sequence[dict[str, Any]], changes: Changes) -> None:
    rows, _, rejected = ITEMS.read(bodies)
    changes.n_rejected += len(rejected)
    if rejected:
        log.warning("items could not be read", server=server.external_id, n_items=len(rejected), first=rejected[0].error)
    if rows:
        with engine.begin() as connection:
            changes.add(ingest_items(connection, server.id, rows))
