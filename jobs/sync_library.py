"""Brings what a media server holds, who uses it and what they did with it up to date here.

Everything is written as it comes, in transactions of a page, and told again it changes nothing: killed anywhere and started again, it ends
in the same rows. How far it came is written last.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from app.connect.media_server import MediaServer
from app.connect.media_servers import open_media_server
from app.connect.states import TITLES
from app.db import Engine
from app.db.connections import StoredConnection, write_synced
from app.db.locks import only_one
from app.types import Progress, Server
from jobs.connected import Connect, connected
from jobs.sync_content import Changes, sync_content
from jobs.sync_doubted import sync_doubted
from jobs.sync_history import sync_history
from jobs.sync_missing import Missing, sync_missing
from jobs.sync_tally import Tally
from jobs.sync_users import sync_users, write_policies

log = structlog.get_logger()

# news: what changed since the last sync, and once a night everything that a change does not tell of; everything: as at the first time.
Depth = Literal["news", "everything"]

# What is saved while the list is made has a time before the list's: read again the next time.
OVERLAP = timedelta(minutes=5)
SWEEP_AFTER = timedelta(hours=20)


@dataclass(frozen=True)
class Synced:
    """`held`: libraries that are gone, or mostly, and were kept: why.

    `unsure`: names of libraries whose lists don't agree with their counts; nothing was found to be gone then.
    """

    items: Changes
    plays: Changes
    signals: Changes
    n_users: int
    n_deleted: int
    held: Mapping[str, str]
    unsure: Sequence[str]
    n_requests: int


def sync_library(
    engine: Engine,
    server: Server,
    secret: str,
    now: datetime,
    progress: Progress,
    *,
    depth: Depth = "news",
    forget: Collection[str] = (),
    connect: Connect = open_media_server,
) -> Synced:
    """`secret` decrypts the stored token. `forget`: ids of libraries that an earlier sync held and whose titles may go.

    Raises NotConnected, AlreadyRunning, SecretKeyChanged, BadInput, and what the media server raises; nothing is deleted then.
    """
    with only_one(engine, f"sync {server.id}"), connected(engine, server, secret, connect) as (media, stored):
        return _sync(engine, server, media, stored, now, Tally(progress), depth, forget)


def _sync(
    engine: Engine, server: Server, media: MediaServer, stored: StoredConnection, now: datetime, tally: Tally, depth: Depth,
    forget: Collection[str],
) -> Synced:  # fmt: skip
    since = (media.answered_at or now) - OVERLAP
    is_whole = depth == "everything" or stored.synced_until is None
    is_nightly = is_whole or bool(forget) or stored.swept_at is None or now - stored.swept_at >= SWEEP_AFTER
    users = media.users()
    write_policies(engine, server, users)
    libraries = media.libraries()
    if is_whole:
        counts = [(kind, media.count_items(library, kind)) for library in libraries for kind in library.types]
        # Everybody is asked about every title; of the rest about what they began, which is known when it is read.
        n_asked = sum(not user.is_disabled for user in users)
        tally.expect(sum(count * (1 + n_asked * (kind in TITLES)) for kind, count in counts))
    content = sync_content(engine, server, media, libraries, None if is_whole else stored.synced_until, tally)
    n_doubted = sync_doubted(engine, server, media, now)
    missing = Missing(0, stored.held)
    if is_nightly:
        missing = sync_missing(engine, server, media, libraries, stored.held, forget, now)
    history = sync_history(engine, server, media, stored.history_row)
    done = sync_users(engine, server, media, users, content.changed_titles, stored.synced_until, is_whole=is_nightly, tally=tally)
    with engine.begin() as connection:
        write_synced(connection, server.id, since, now if is_nightly else None, missing.held)
    done.plays.merge(history)
    n_deleted = n_doubted + missing.n_deleted
    synced = Synced(content.items, done.plays, done.signals, done.n_users, n_deleted, missing.held, missing.unsure, media.n_requests)
    log.info(
        "synced", server=server.external_id, n_items=synced.items.n_changed, n_plays=synced.plays.n_changed, n_deleted=synced.n_deleted
    )
    return synced
